"""One process under supervision: what is asked, what comes, and what is told of it."""
from __future__ import annotations

import errno
import itertools
import threading
from collections.abc import Callable

import pytest
from support import until
from threads.rig import Rig

from processman.errors import AlreadyRunning, Overruled, ProcessmanError, StartFailed, StopFailed, WaitTimeout
from processman.launch import LaunchError
from processman.lifecycle import KILL_PATIENCE, Restart, Start, Stop
from processman.restart import CAP

Rigs = Callable[..., Rig]


# -- asked ---
def test_it_is_stopped_until_somebody_asks(rig: Rigs) -> None:
    one = rig()
    one.settle()
    status = one.status
    assert (status.status, status.run, status.restart_count, status.pid) == ("stopped", 0, 0, None)
    assert (status.start_time, status.uptime, status.last_error, status.exit_code) == (None, None, "", None)


def test_a_start_returns_when_it_runs(rig: Rigs) -> None:
    one = rig()
    child = one.start()
    status = one.status
    assert (status.status, status.run, status.restart_count, status.pid) == ("running", 1, 0, child.pid)
    assert status.start_time is not None
    assert status.start_time.timestamp() == pytest.approx(child.create_time, abs=1.0)
    assert one.entered == ["starting", "running"]


def test_a_stop_returns_when_it_is_reaped(rig: Rigs) -> None:
    one = rig(stop_signal="SIGINT")
    child = one.start()
    one.stop()
    assert child.reaped
    assert child.signals == ["SIGINT"]
    status = one.status
    assert (status.status, status.pid, status.uptime, status.signal) == ("stopped", None, None, "SIGINT")
    assert status.start_time is not None
    assert one.entered == ["starting", "running", "stopping", "stopped"]


def test_runs_are_numbered_over_stops_crashes_and_spawns_that_fail(rig: Rigs) -> None:
    one = rig()
    one.start()
    one.stop()
    one.engine.fail.append(OSError(errno.EMFILE, "too many"))
    with pytest.raises(StartFailed):
        one.start()
    one.elapse(1.0)
    assert (one.status.status, one.status.run, one.status.restart_count) == ("running", 3, 2)
    one.restart()
    assert (one.status.run, one.status.restart_count) == (4, 3)
    assert [child.launch.run for child in one.engine.children] == [1, 3, 4]


def test_a_start_of_what_runs_is_refused(rig: Rigs) -> None:
    one = rig()
    one.start()
    with pytest.raises(AlreadyRunning, match="cannot start process 'p': it is already running"):
        one.taken(Start())
    assert one.runs() == 1


def test_a_stop_that_was_just_asked_for_counts(rig: Rigs) -> None:
    one = rig()
    one.gate.clear()
    first = one.process.ask(Start())
    until(lambda: one.status.status == "starting")
    stop, again = one.process.ask(Stop()), one.process.ask(Start())
    one.gate.set()
    one.answer(first)
    with pytest.raises(Overruled):
        one.answer(stop)
    one.answer(again)
    assert (one.status.status, one.status.run) == ("running", 2)


@pytest.mark.parametrize(("first", "second"), [
    (Start(), Stop()), (Restart(), Stop()), (Stop(), Start()), (Stop(), Restart()),
])
def test_whoever_waits_for_what_is_overtaken_is_overruled(
    rig: Rigs, first: Start | Stop | Restart, second: Start | Stop | Restart
) -> None:
    """L-stop-then-start"""
    one = rig(obeys=False)
    child = one.start()
    one.taken(Restart() if isinstance(first, Start) else first)  # it is ending, so that anything may be asked
    waiting = one.taken(first)
    new = one.taken(second)
    with pytest.raises(Overruled) as raised:
        one.answer(waiting)
    assert (raised.value.id, raised.value.status.status) == ("p", "stopping")
    child.exit(signal="SIGTERM")
    one.answer(new)
    up = not isinstance(second, Stop)
    assert (one.status.status, one.runs()) == (("running", 2) if up else ("stopped", 1))


@pytest.mark.parametrize("asked", [(Stop(), Stop()), (Restart(), Restart()), (Restart(), Start())])
def test_who_asks_for_the_same_is_answered_together(
    rig: Rigs, asked: tuple[Stop | Restart | Start, ...]
) -> None:
    one = rig(obeys=False)
    child = one.start()
    tickets = [one.taken(each) for each in asked]
    child.exit(0)
    for ticket in tickets:
        one.answer(ticket)
    assert one.runs() == (1 if isinstance(asked[0], Stop) else 2)


def test_a_stop_in_any_state_succeeds(rig: Rigs) -> None:
    one = rig(restart="on-failure", max_retries=1)
    one.stop()
    one.start()
    one.crash(0)
    assert one.status.status == "exited"
    one.stop()
    assert one.status.status == "stopped"
    one.start()
    one.crash()
    assert one.status.status == "crashed"
    one.stop()
    assert (one.status.status, one.status.next_retry_at) == ("stopped", None)
    one.elapse(CAP)
    assert one.runs() == 2


def test_a_wait_that_is_over_leaves_the_wish(rig: Rigs) -> None:
    one = rig(obeys=False)
    child = one.start()
    with pytest.raises(WaitTimeout, match="it is stopping") as raised:
        one.process.wait_answered(one.process.ask(Stop()), 0.01)
    assert (raised.value.id, raised.value.status.status) == ("p", "stopping")
    child.exit(0)
    assert one.until("stopped").exit_code == 0


def test_a_first_failure_is_told_while_retries_go_on(rig: Rigs) -> None:
    """R-emfile"""
    one = rig()
    one.engine.fail = [OSError(errno.EMFILE, "too many open files")] * 2
    with pytest.raises(StartFailed, match="open files") as raised:
        one.start()
    assert (raised.value.status.status, raised.value.id) == ("crashed", "p")
    one.elapse(1.0)
    assert (one.status.status, one.runs()) == ("crashed", 0)
    one.elapse(2.0)
    assert (one.status.status, one.status.run) == ("running", 3)


def test_a_restart_whose_new_run_cannot_be_spawned_says_so(rig: Rigs) -> None:
    one = rig()
    one.start()
    one.refuse.append(LaunchError("cannot find script", "missing"))
    with pytest.raises(StartFailed, match="cannot start process 'p': cannot find script"):
        one.restart()
    assert one.status.status == "failed"
    one.elapse(CAP)
    assert one.runs() == 1


def test_nothing_is_taken_up_behind_the_last_stop(rig: Rigs) -> None:
    one = rig(obeys=False, watched=True)
    child = one.start()
    last = one.taken(Stop(), last=True)
    for late in (Start(), Restart()):
        with pytest.raises(Overruled):
            one.answer(one.process.ask(late))
    child.exit(0)
    one.answer(last)
    until(lambda: not one.process.supervised)
    assert (one.status.status, one.watches[0].closed) == ("stopped", True)
    one.stop()
    with pytest.raises(Overruled):
        one.start()


# -- what cannot be ended ---
def unkillable(one: Rig) -> None:
    child = one.start()
    child.obeys = child.mortal = False


def test_survivors_are_reported_and_watched_on(rig: Rigs) -> None:
    one = rig(stop_timeout=3)
    unkillable(one)
    waiting = one.taken(Stop())
    one.elapse(2.9)
    assert one.engine.children[0].signals == ["SIGTERM"]
    assert one.status.next_retry_at is None
    one.elapse(0.2)
    assert one.engine.children[0].signals == ["SIGTERM", "SIGKILL"]
    assert one.status.escaped == ()
    one.elapse(KILL_PATIENCE)
    with pytest.raises(StopFailed, match=r"still alive after SIGKILL: fake \(pid 100000\)") as raised:
        one.answer(waiting)
    assert raised.value.survivors == one.status.escaped == ("fake (pid 100000)",)
    assert one.status.status == "stopping"
    with pytest.raises(StopFailed):
        one.stop()
    one.engine.children[0].exit(signal="SIGKILL")
    assert one.until("stopped").escaped == ()


@pytest.mark.parametrize("input", [Start(), Restart()])
def test_no_second_copy_beside_a_survivor_but_after_it(rig: Rigs, input: Start | Restart) -> None:
    one = rig(stop_timeout=1)
    unkillable(one)
    one.taken(Restart())
    one.elapse(1.0)
    one.elapse(KILL_PATIENCE)
    with pytest.raises(StopFailed):
        one.answer(one.process.ask(input))
    one.elapse(100.0)
    assert (one.status.status, one.runs()) == ("stopping", 1)
    one.engine.children[0].exit(signal="SIGKILL")
    assert one.until("running").run == 2


def test_a_stop_at_once_shortens_the_grace_of_another(rig: Rigs) -> None:
    one = rig(obeys=False, stop_timeout=60)
    one.start()
    slow, quick = one.taken(Stop()), one.taken(Stop(grace=0.0))
    one.elapse(0.0)
    one.answer(slow)
    one.answer(quick)
    assert one.engine.children[0].signals == ["SIGTERM", "SIGKILL"]


def test_the_rest_of_a_tree_goes_before_the_next_run(rig: Rigs) -> None:
    """T-leader-dies"""
    one = rig(stop_timeout=4)
    child = one.start()
    child.obeys = False
    child.exit(1, rest=True)
    status = one.until("stopping")
    assert (status.exit_code, status.last_error, status.pid) == (1, "exit code 1", child.pid)
    assert not child.reaped
    one.elapse(3.9)
    assert child.signals == ["SIGTERM"]
    one.elapse(0.2)
    status = one.until("crashed")
    assert (child.reaped, status.exit_code, one.runs()) == (True, 1, 1)
    one.elapse(1.0)
    assert one.runs() == 2


# -- waiting for a status ---
def test_a_wait_sees_every_status_however_short(rig: Rigs) -> None:
    one = rig(max_retries=-1)
    seen: list[tuple[str, int]] = []
    ready = threading.Event()

    def accept(status: object) -> bool:
        ready.set()
        seen.append((one_status(status), status.run))  # type: ignore[attr-defined]
        return seen[-1] == ("running", 4)

    def one_status(status: object) -> str:
        return str(status.status.value)  # type: ignore[attr-defined]

    waiter = threading.Thread(target=one.process.wait_for, args=(accept, 10.0))
    waiter.start()
    assert ready.wait(10)
    one.start()
    for _ in range(3):
        one.restart()
    waiter.join(10)
    words = [word for word, _ in itertools.groupby(seen)]
    assert words == [
        ("stopped", 0), *itertools.chain.from_iterable(
            [("starting", run), ("running", run), ("stopping", run)] for run in (1, 2, 3)
        ), ("starting", 4), ("running", 4),
    ]


def test_a_wait_for_a_status_ends_with_the_supervisor(rig: Rigs) -> None:
    one = rig()
    errors: list[BaseException] = []

    def wait() -> None:
        try:
            one.process.wait_for(lambda status: status.status == "failed", 10)
        except ProcessmanError as error:
            errors.append(error)

    waiter = threading.Thread(target=wait)
    waiter.start()
    one.answer(one.process.ask(Stop(), last=True))
    waiter.join(10)
    assert [type(error) for error in errors] == [Overruled]
