"""What a supervisor does by itself, and when."""
from __future__ import annotations

import errno
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from threads.rig import Rig

from processman.errors import StartFailed
from processman.launch import LaunchError

Rigs = Callable[..., Rig]


def test_retries_come_neither_early_nor_late(rig: Rigs) -> None:
    one = rig(max_retries=-1)
    one.start()
    for delay in (1, 2, 4, 8, 16, 30, 30):
        one.crash()
        runs = one.runs()
        one.elapse(delay - 0.01)
        assert (one.status.status, one.runs()) == ("crashed", runs)
        one.elapse(0.01)
        assert (one.status.status, one.runs()) == ("running", runs + 1)


def test_a_healthy_run_is_followed_at_once(rig: Rigs) -> None:
    """L-healthy-reset"""
    one = rig()
    one.start()
    one.crash()
    one.elapse(1.0)
    one.elapse(10.5)
    one.crash()
    one.settle()
    assert (one.status.status, one.status.run, one.status.last_error) == ("running", 3, "exit code 1")
    one.crash()
    one.elapse(0.99)
    assert one.runs() == 3


def test_it_gives_up_when_the_retries_are_used_up_and_then_obeys(rig: Rigs) -> None:
    """L-giveup"""
    one = rig(max_retries=2)
    one.start()
    for delay in (1.0, 2.0):
        one.crash()
        one.elapse(delay)
    one.crash(3)
    status = one.status
    assert (status.status, status.run, status.last_error, status.exit_code) == ("failed", 3, "exit code 3", 3)
    one.elapse(1000.0)
    assert one.runs() == 3
    one.start()
    assert one.status.status == "running"


@pytest.mark.parametrize(("options", "code", "word"), [
    ({"restart": "on-failure"}, 0, "exited"),
    ({"restart": "on-failure", "success_exit_codes": (3,)}, 3, "exited"),
    ({"restart": "never"}, 1, "failed"),
    ({"restart": "never"}, 0, "exited"),
    ({"max_retries": 0}, 0, "failed"),
    ({}, 0, "crashed"),
    ({"restart": "on-failure"}, None, "crashed"),
])
def test_the_policy_of_the_configuration_is_followed(
    rig: Rigs, options: dict[str, object], code: int | None, word: str
) -> None:
    one = rig(**options)
    one.start().exit(code)
    assert one.until(word).exit_code == code


def test_the_time_of_the_retry_is_told_while_there_is_one(rig: Rigs) -> None:
    one = rig(backoff="20s")
    one.start()
    assert one.status.next_retry_at is None
    one.crash()
    due = one.status.next_retry_at
    assert due is not None
    assert due.tzinfo is UTC
    assert abs(due - datetime.now(UTC) - timedelta(seconds=20)) < timedelta(seconds=5)
    one.restart()
    assert one.status.next_retry_at is None


def test_the_last_error_stays_until_somebody_asked_with_success(rig: Rigs) -> None:
    one = rig()
    one.start()
    one.engine.children[0].exit(signal="SIGSEGV")
    status = one.until("crashed")
    assert (status.last_error, status.signal, status.exit_code) == ("killed by SIGSEGV", "SIGSEGV", None)
    one.elapse(1.0)
    assert (one.status.status, one.status.last_error) == ("running", "killed by SIGSEGV")
    one.stop()
    assert one.status.last_error == "killed by SIGSEGV"
    one.refuse.append(LaunchError("cannot enter cwd", "missing"))
    with pytest.raises(StartFailed):
        one.start()
    assert one.status.last_error == "cannot enter cwd"
    one.start()
    assert one.status.last_error == ""


def test_secrets_of_a_run_are_masked_in_its_errors(rig: Rigs) -> None:
    def redact(text: str) -> str:
        return text.replace("hunter2", "****")

    one = rig()
    one.refuse.append(LaunchError("no hunter2 there", "invalid", redact=redact))
    with pytest.raises(StartFailed, match=r"no \*{4} there"):
        one.start()
    one.engine.fail.append(OSError(errno.EIO, "hunter2 is broken"))
    with pytest.raises(StartFailed) as raised:
        one.start()
    assert "****" in str(raised.value)


def test_uptime_counts_while_it_runs(rig: Rigs) -> None:
    one = rig()
    one.start()
    one.elapse(7.0)
    assert one.status.uptime == pytest.approx(7.0, abs=1.0)
    assert one.until("running").uptime == pytest.approx(7.0, abs=1.0)
    one.stop()
    one.elapse(7.0)
    assert one.status.uptime is None


def test_what_runs_is_noted_and_that_nothing_does(rig: Rigs) -> None:
    one = rig()
    first = one.start()
    one.restart()
    second = one.engine.child(2)
    one.stop()
    assert one.noted == [first.pid, None, second.pid, None]


def test_news_come_after_every_line(rig: Rigs) -> None:
    """O-burst-exit"""
    one = rig()
    child = one.start()
    reap = child.reap

    def drain() -> None:
        assert one.status.status == "running"
        child.say("last words")
        reap()

    child.reap = drain  # type: ignore[method-assign]
    one.crash()
    assert [line.content for line in one.process.journal.tail(10)] == ["last words"]
    assert one.status.status == "crashed"
