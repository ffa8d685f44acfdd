"""One process under supervision: what is asked, what comes, and what is told of it."""
from __future__ import annotations

import errno
import itertools
import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from support import until
from threads.rig import Rig

from processman.errors import (
    AlreadyRunning,
    Overruled,
    ProcessmanError,
    StartFailed,
    StopFailed,
    WaitTimeout,
)
from processman.launch import LaunchError
from processman.lifecycle import KILL_PATIENCE, Restart, Start, Stop
from processman.restart import CAP
from processman.states import Exit
from processman.supervisor import Supervisor

Rigs = Callable[..., Rig]


# -- asked -------------------------------------------------------------------
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
    one = rig(obeys=False)
    child = one.start()
    last = one.taken(Stop(), last=True)
    for late in (Start(), Restart()):
        with pytest.raises(Overruled):
            one.answer(one.process.ask(late))
    child.exit(0)
    one.answer(last)
    until(lambda: not one.process.supervised)
    assert one.status.status == "stopped"
    one.stop()
    with pytest.raises(Overruled):
        one.start()


# -- what cannot be ended --------------------------------------------------------
def unkillable(one: Rig) -> None:
    child = one.start()
    child.obeys = child.mortal = False


def test_survivors_are_reported_and_watched_on(rig: Rigs) -> None:
    one = rig(stop_timeout=3)
    unkillable(one)
    waiting = one.taken(Stop())
    one.elapse(2.9)
    assert one.engine.children[0].signals == ["SIGTERM"]
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


# -- what comes by itself ----------------------------------------------------
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


# -- waiting for a status ------------------------------------------------------
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


# -- changes of files ----------------------------------------------------------
def test_a_change_restarts_what_runs_once_it_has_come_to_rest(rig: Rigs) -> None:
    one = rig(watched=True)
    one.start()
    assert one.status.watch == "on"
    one.change()
    assert (one.status.status, one.status.run, one.status.last_error) == ("running", 2, "")
    one.elapse(60.0)
    assert one.runs() == 2


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


# -- the supervisor's own failures -----------------------------------------------
@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where not even the clock of the test can wake a supervisor, it sleeps for real, but not for long."""
    monkeypatch.setattr("processman.supervisor._PAUSE", 0.01)


#: everything that the thread does, by the name of what does it
PARTS = sorted(
    name for name, part in vars(Supervisor).items()
    if callable(part) and name not in ("__init__", "run", "_broken", "_is_over", "_take")
)


class Fault:
    """Makes a part of the supervisor raise, *times* times after the first *spare* calls."""

    def __init__(self, target: object, name: str, times: int) -> None:
        self.left = times
        self._part = getattr(target, name)
        setattr(target, name, self)

    def __call__(self, *args: object, **more: object) -> object:
        if self.left:
            self.left -= 1
            raise RuntimeError("out of luck")
        return self._part(*args, **more)


def check_it_obeys(one: Rig) -> None:
    """A process, whatever went wrong with it, is ended by one stop, started by one start, and runs once."""
    one.patiently(one.process.ask(Stop()))
    assert one.status.status not in ("starting", "running", "stopping")
    one.patiently(one.process.ask(Start()))
    assert one.status.status == "running"
    alive = [child for child in one.engine.children if child._exit is None]
    assert [child.pid for child in alive] == [one.status.pid]
    assert one.process.supervised


@pytest.mark.parametrize("times", [1, 4])
@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("moment", ["start", "crash", "stop", "change"])
def test_a_failure_of_the_supervisor_ends_the_run_and_nothing_else(
    rig: Rigs, part: str, moment: str, times: int
) -> None:
    """H-owner-exception"""
    one = rig(watched=True)
    if moment != "start":
        one.start()
    fault = Fault(one.supervisor, part, times)
    asked = {"start": Start(), "stop": Stop()}.get(moment)
    ticket = one.process.ask(asked) if asked else None
    if moment == "crash":
        one.engine.children[0].exit(1)
    elif moment == "change":
        one.change()
    if ticket is not None:
        one.patiently(ticket)
    for _ in range(4 * times):
        one.elapse(1.0)
    fault.left = 0
    check_it_obeys(one)


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("method", ["poll", "terminate", "kill", "survivors", "reap"])
def test_a_failure_at_the_child_is_one_of_the_supervisor(rig: Rigs, method: str, times: int) -> None:
    """H-owner-exception"""
    one = rig(obeys=False, stop_timeout=1)
    child = one.start()
    Fault(child, method, times)
    child.mortal = method != "survivors"
    one.patiently(one.process.ask(Stop()))
    child.mortal = True
    if child._exit is None:
        child.exit(signal="SIGKILL")
    for _ in range(4):
        one.elapse(1.0)
    assert child.reaped
    check_it_obeys(one)


def test_a_failure_is_told_in_the_status_and_kept(rig: Rigs) -> None:
    """H-owner-exception"""
    one = rig()
    child = one.start()
    Fault(one.supervisor, "_hear", 0)
    Fault(child, "poll", 1)
    one.settle()
    one.elapse(1.0)
    status = one.until("failed")
    assert status.last_error == "internal error: RuntimeError: out of luck"
    assert child.signals[0] == "SIGTERM"
    one.start()
    assert one.status.last_error == ""


def test_a_child_that_cannot_be_watched_is_killed_all_the_same(rig: Rigs) -> None:
    """H-owner-exception"""
    one = rig(obeys=False)
    child = one.start()
    fault = Fault(child, "poll", -1)
    one.settle()
    for _ in range(3):
        one.elapse(1.0)
    assert "SIGKILL" in child.signals
    assert one.status.status == "stopping"
    fault.left = 0


def test_nothing_that_is_asked_is_lost_in_a_failure(rig: Rigs) -> None:
    """H-owner-exception"""
    one = rig()
    one.start()
    one.gate.clear()
    restart = one.process.ask(Restart())
    until(lambda: one.status.status == "starting")
    Fault(one.supervisor, "_overrule", 1)
    tickets = [one.process.ask(Restart()), one.process.ask(Stop()), one.process.ask(Stop(), last=True)]
    one.gate.set()
    one.answer(restart)
    for ticket in tickets:
        one.patiently(ticket)
    until(lambda: not one.process.supervised)


def test_a_log_handler_that_raises_harms_nobody(rig: Rigs, monkeypatch: pytest.MonkeyPatch) -> None:
    """H-callback-raises"""
    class Raising(logging.Handler):
        def handle(self, record: logging.LogRecord) -> bool:
            raise RuntimeError("no disk")

    monkeypatch.setattr(logging.getLogger("processman"), "handlers", [Raising()])
    one = rig(watched=True)
    child = one.start()
    Fault(child, "poll", 2)
    one.settle()
    for _ in range(4):
        one.elapse(1.0)
    check_it_obeys(one)
    for _ in range(6):
        one.change()
    assert (one.status.status, one.status.watch) == ("running", "degraded: keeps changing what it watches")


# -- the wall clock ------------------------------------------------------------
DAY = 86400.0
JUMPS = {"a day on": lambda now: now + DAY, "a day back": lambda now: now - DAY,
         "1970": lambda now: now % DAY, "2100": lambda now: now % DAY + 4102444800.0}


@pytest.fixture(params=JUMPS)
def jump(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    real = time.time

    def jump() -> None:
        monkeypatch.setattr(time, "time", lambda: JUMPS[request.param](real()))

    return jump


def test_the_wall_clock_may_jump_while_it_runs(rig: Rigs, jump: Callable[[], None]) -> None:
    """C-jump"""
    one = rig()
    one.start()
    begun = one.status.start_time
    jump()
    one.elapse(5.0)
    assert (one.status.status, one.runs(), one.status.start_time) == ("running", 1, begun)
    assert one.status.uptime == pytest.approx(5.0, abs=1.0)
    one.crash()
    one.elapse(0.99)
    assert one.runs() == 1
    one.elapse(0.01)
    assert one.runs() == 2


def test_the_wall_clock_may_jump_during_backoff(rig: Rigs, jump: Callable[[], None]) -> None:
    """C-jump"""
    one = rig(backoff=4)
    one.start()
    one.crash()
    jump()
    one.elapse(3.99)
    assert (one.status.status, one.runs()) == ("crashed", 1)
    one.elapse(0.01)
    assert (one.status.status, one.runs()) == ("running", 2)
    assert one.status.uptime == pytest.approx(0.0, abs=1.0)


def test_the_wall_clock_may_jump_while_it_stops(rig: Rigs, jump: Callable[[], None]) -> None:
    """C-jump"""
    one = rig(obeys=False, stop_timeout=4)
    child = one.start()
    waiting = one.taken(Stop())
    jump()
    one.elapse(3.99)
    assert child.signals == ["SIGTERM"]
    one.elapse(0.01)
    one.answer(waiting)
    assert child.signals == ["SIGTERM", "SIGKILL"]


def test_the_wall_clock_may_jump_during_a_spawn(rig: Rigs, jump: Callable[[], None]) -> None:
    """C-jump"""
    one = rig()
    one.gate.clear()
    ticket = one.process.ask(Start())
    jump()
    one.gate.set()
    one.answer(ticket)
    assert (one.status.uptime or 0.0) >= 0


def test_an_end_is_shown_as_it_was() -> None:
    assert [str(Exit(code=2)), str(Exit(signal="SIGHUP"))] == ["exit code 2", "killed by SIGHUP"]
