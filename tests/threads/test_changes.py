"""What a supervisor makes of changed files."""
from __future__ import annotations

from collections.abc import Callable

import pytest
from threads.rig import Rig

from processman.errors import StartFailed
from processman.launch import LaunchError

Rigs = Callable[..., Rig]


def test_a_change_restarts_what_runs_once_it_has_come_to_rest(rig: Rigs) -> None:
    one = rig(watched=True)
    one.start()
    assert one.status.watch == "on"
    one.change()
    assert (one.status.status, one.status.run, one.status.last_error) == ("running", 2, "")
    one.elapse(60.0)
    assert one.runs() == 2


def test_a_watch_that_fails_later_is_told_at_the_next_look(rig: Rigs) -> None:
    one = rig(watched=True)
    one.start()
    one.watches[0].health = "degraded: the limit is reached"
    assert one.status.watch == "degraded: the limit is reached"


def test_a_burst_of_changes_is_one_restart_after_two_seconds_at_most(rig: Rigs) -> None:
    one = rig(watched=True)
    one.start()
    for _ in range(4):
        one.change(rest=0.4375)
    one.change(rest=0.125)
    assert one.runs() == 1
    one.elapse(0.125)
    assert one.runs() == 2
    one.elapse(60.0)
    assert one.runs() == 2


@pytest.mark.parametrize("max_retries", [1, 10])
def test_a_change_retries_what_waits_or_gave_up_and_forgives(rig: Rigs, max_retries: int) -> None:
    """W-while-stopped"""
    one = rig(watched=True, max_retries=max_retries, backoff=8)
    one.start()
    one.crash()
    one.elapse(8.0)
    one.crash()
    assert one.status.status == ("failed" if max_retries == 1 else "crashed")
    one.change()
    assert (one.status.status, one.runs()) == ("running", 3)
    one.crash()
    one.elapse(7.9)
    assert (one.status.status, one.runs()) == ("crashed", 3)
    one.elapse(0.2)
    assert one.runs() == 4


def test_a_change_leaves_alone_what_is_stopped_or_exited(rig: Rigs) -> None:
    """W-while-stopped"""
    one = rig(watched=True, restart="on-failure")
    one.start()
    one.stop()
    one.change()
    assert (one.status.status, one.runs()) == ("stopped", 1)
    one.start()
    one.crash(0)
    one.change()
    assert (one.status.status, one.runs()) == ("exited", 2)


def test_what_keeps_changing_what_it_watches_is_watched_no_longer(rig: Rigs) -> None:
    one = rig(watched=True)
    one.start()
    for run in range(1, 6):
        assert (one.status.run, one.status.watch) == (run, "on")
        one.change()
    assert (one.status.run, one.status.status) == (6, "running")
    assert one.status.watch == "degraded: keeps changing what it watches"
    assert [watch.closed for watch in one.watches] == [True]
    one.restart()
    assert (one.status.watch, len(one.watches)) == ("on", 2)


@pytest.mark.parametrize("between", ["asked", "crashed", "ran long"])
def test_only_restarts_in_a_row_by_changes_alone_are_a_loop(rig: Rigs, between: str) -> None:
    one = rig(watched=True, backoff=0.1)
    one.start()
    for _ in range(4):
        one.change()
    if between == "asked":
        one.restart()
    elif between == "crashed":
        one.crash()
        one.elapse(0.1)
    else:
        one.elapse(3.0)
    for _ in range(4):
        one.change()
        assert (one.status.status, one.status.watch) == ("running", "on")


def test_what_cannot_be_started_does_not_change_what_it_watches(rig: Rigs) -> None:
    one = rig(watched=True)
    one.refuse = [LaunchError("cannot find script", "missing") for _ in range(10)]
    with pytest.raises(StartFailed):
        one.start()
    for _ in range(9):
        one.change()
        assert (one.status.status, one.status.watch) == ("failed", "on")
    one.change()
    assert one.status.status == "running"
