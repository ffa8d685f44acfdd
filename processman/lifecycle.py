"""The state machine of one process: told inputs and the time, it answers with actions.

It has no thread, clock or process. The whole table is generated into ``testdata/lifecycle.txt``.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, ClassVar, Literal, NamedTuple

from .restart import FLOOR, RestartPolicy, Verdict
from .states import ALIVE, UP, Exit, State

#: seconds between SIGKILL and the report of what survived it
KILL_PATIENCE = 2.0


@dataclass(frozen=True, slots=True)
class _Word:
    """An input or action that says it all by its kind."""


# -- inputs -------------------------------------------------------------------
class Start(_Word):
    """Somebody wants it running."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Somebody wants it gone, after *grace* seconds by force (``None``: as configured)."""

    grace: float | None = None


class Restart(_Word):
    """Somebody, or a change of its files, wants a new run."""


@dataclass(frozen=True, slots=True)
class Spawned:
    """The spawn worked; the process began *age* seconds ago."""

    age: float = 0.0


@dataclass(frozen=True, slots=True)
class SpawnFailed:
    """The spawn did not work; what is *missing* is permanent at the first spawn since it was asked for."""

    reason: str
    kind: Literal["invalid", "missing", "transient"] = "transient"


@dataclass(frozen=True, slots=True)
class Exited:
    """The leader is over; *rest* says whether something of its tree still lives."""

    exit: Exit
    rest: bool = False


@dataclass(frozen=True, slots=True)
class Gone:
    """Nothing is left, and the leader is reaped."""

    exit: Exit


@dataclass(frozen=True, slots=True)
class Broken:
    """The supervisor itself failed; *alive* says whether a child is there to be ended."""

    reason: str
    alive: bool


Input = Start | Stop | Restart | Spawned | SpawnFailed | Exited | Gone | Broken


# -- actions ------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Spawn:
    """Make run number *run*."""

    run: int


class Terminate(_Word):
    """Ask the whole tree to end."""


class Kill(_Word):
    """End the whole tree by force."""


class Report(_Word):
    """Say what survived."""


Action = Spawn | Terminate | Kill | Report


class Wish(Enum):
    """Why a run begins, or what follows when it is gone."""

    STOP = "stop"
    AGAIN = "again"  # somebody asked
    RETRY = "retry"  # it ended on its own: the policy decides
    FAIL = "fail"  # the supervisor failed


class Past(NamedTuple):
    """Where an earlier supervisor, of another host, left a process."""

    state: State
    run: int
    last_error: str
    exit: Exit | None
    #: of the process, where there is one
    pid: int | None
    #: what it was configured as
    spec: str
    #: when this run began
    start_time: datetime | None = None
    #: why it was on its way to its end, and so what was to follow
    then: str = ""


class Lifecycle:
    """One process's state. *stop_timeout* is in seconds; *now* is any monotonic clock."""

    def __init__(self, policy: RestartPolicy, *, stop_timeout: float = 10.0, past: Past | None = None) -> None:
        self.policy = policy
        self.stop_timeout = stop_timeout
        self.state = State.STOPPED
        self.wish = Wish.STOP
        self.run = 0
        self.failures = 0
        self.last_error = ""
        self.exit: Exit | None = None
        #: the only timer there is
        self.deadline: float | None = None
        if past is not None:
            self.state = past.state if past.pid is None else State.STARTING  # until it is taken over
            self.wish = Wish.RETRY  # nobody asked: what is known of the last failure stays
            self.run = past.run
            self.last_error, self.exit = past.last_error, past.exit
        self._attempted = -FLOOR
        self._lasted = 0.0
        self._escalation: list[tuple[float, Action]] = []

    def handle(self, input: Input, now: float) -> tuple[Action, ...]:
        """Take *input* in, and return what is to be done. News where they cannot be are old, and dropped."""
        if self.state not in self._heard_in.get(type(input), State):
            return ()
        return self._handlers[type(input)](self, input, now)

    def tick(self, now: float) -> tuple[Action, ...]:
        """Do what is due; nothing before the deadline."""
        if self.deadline is None or now < self.deadline:
            return ()
        if self.state is State.CRASHED:
            return self._spawn(Wish.RETRY, now)
        _, action = self._escalation.pop(0)
        self.deadline = self._escalation[0][0] if self._escalation else None
        return (action,)

    # -- asked ----------------------------------------------------------------
    def _start(self, _: Start, now: float) -> tuple[Action, ...]:
        self.failures = 0
        if self.state in UP:
            return ()
        if self.state is State.STOPPING:
            self.wish = Wish.AGAIN
            return ()
        return self._spawn(Wish.AGAIN, now)

    def _restart(self, _: Restart, now: float) -> tuple[Action, ...]:
        if self.state in UP:
            self.failures = 0
            return self._end(Wish.AGAIN, now, self.stop_timeout)
        return self._start(Start(), now)

    def _stop(self, stop: Stop, now: float) -> tuple[Action, ...]:
        self.failures = 0
        grace = self.stop_timeout if stop.grace is None else stop.grace
        if self.state in UP:
            return self._end(Wish.STOP, now, grace)
        if self.state is not State.STOPPING:
            self._enter(State.STOPPED)
            return ()
        self.wish = Wish.STOP
        if stop.grace is not None and any(isinstance(action, Kill) for _, action in self._escalation):
            self._escalate(now, grace)
        return ()

    # -- news -----------------------------------------------------------------
    def _spawned(self, spawned: Spawned, now: float) -> tuple[Action, ...]:
        if self.wish is Wish.AGAIN:
            self.last_error = ""
        self._attempted = now - spawned.age
        self._enter(State.RUNNING)
        return ()

    def _spawn_failed(self, failed: SpawnFailed, now: float) -> tuple[Action, ...]:
        self.last_error = failed.reason
        permanent = failed.kind == "invalid" or (failed.kind == "missing" and self.wish is Wish.AGAIN)
        if permanent:
            self._settle(Verdict(State.FAILED, self.failures + 1), now)
        else:
            self._settle(self.policy.after_failure(self.failures), now)
        return ()

    def _exited(self, exited: Exited, now: float) -> tuple[Action, ...]:
        if self.state not in UP:
            return () if exited.rest else self._gone(Gone(exited.exit), now)
        self.exit = exited.exit
        self._lasted = now - self._attempted
        if not self.policy.is_fine(exited.exit):
            self.last_error = str(exited.exit)
        if exited.rest:
            return self._end(Wish.RETRY, now, self.stop_timeout)
        self._settle(self.policy.after_exit(exited.exit, lasted=self._lasted, failures=self.failures), now)
        return ()

    def _gone(self, gone: Gone, now: float) -> tuple[Action, ...]:
        self.exit = gone.exit
        if self.wish is Wish.AGAIN:
            return self._spawn(Wish.AGAIN, now)
        if self.wish is Wish.RETRY:
            self._settle(self.policy.after_exit(gone.exit, lasted=self._lasted, failures=self.failures), now)
        else:
            self._enter(State.STOPPED if self.wish is Wish.STOP else State.FAILED)
        return ()

    def _broken(self, broken: Broken, now: float) -> tuple[Action, ...]:
        self.last_error = broken.reason
        if broken.alive:
            return self._end(Wish.FAIL, now, 0.0)
        self._enter(State.FAILED)
        return ()

    # -- what the above have in common ----------------------------------------
    def _spawn(self, wish: Wish, now: float) -> tuple[Action, ...]:
        self.wish = wish
        self.run += 1
        self._attempted = now
        self._enter(State.STARTING)
        return (Spawn(self.run),)

    def _end(self, wish: Wish, now: float, grace: float) -> tuple[Action, ...]:
        self.wish = wish
        self._enter(State.STOPPING)
        self._escalate(now, grace)
        return (Terminate(),)

    def _escalate(self, now: float, grace: float) -> None:
        self._escalation = [(now + grace, Kill()), (now + grace + KILL_PATIENCE, Report())]
        self.deadline = now + grace

    def _settle(self, verdict: Verdict, now: float) -> None:
        self.failures = verdict.failures
        self._enter(verdict.state)
        if verdict.state is State.CRASHED:
            self.deadline = max(now + verdict.delay, self._attempted + FLOOR)

    def _enter(self, state: State) -> None:
        self.state = state
        self.deadline = None
        self._escalation = []

    _heard_in: ClassVar[dict[type, frozenset[State]]] = {
        Spawned: frozenset({State.STARTING}), SpawnFailed: frozenset({State.STARTING}),
        Exited: ALIVE, Gone: frozenset({State.STOPPING}),
    }
    _handlers: ClassVar[dict[type, Callable[[Lifecycle, Any, float], tuple[Action, ...]]]] = {
        Start: _start, Stop: _stop, Restart: _restart, Spawned: _spawned, SpawnFailed: _spawn_failed,
        Exited: _exited, Gone: _gone, Broken: _broken,
    }
