"""What a supervisor makes of its own failures, and of a wall clock that jumps."""
from __future__ import annotations

import logging
import time
from collections.abc import Callable

import pytest
from support import until
from threads.rig import Rig

from processman.lifecycle import Restart, Start, Stop
from processman.states import Exit
from processman.supervisor import Supervisor

Rigs = Callable[..., Rig]


# -- the supervisor's own failures ---
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
    assert -fault.left < 30, "tried again without a pause"
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
    for _ in range(5):
        one.change()
    assert (one.status.status, one.status.watch) == ("running", "degraded: keeps changing what it watches")


# -- the wall clock ---
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
