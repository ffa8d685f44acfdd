"""For tests, ours and yours: a clock that is moved by hand, processes that are none, waiting for words.

::

    engine, clock = FakeEngine(), ManualClock()

A fake child lives until the test says otherwise, with :meth:`FakeChild.exit`, or until it is asked to end.
"""
from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable

from .configured import Configured
from .engine import Child, Launch
from .events import LogLine
from .journal import Journal
from .lifecycle import Exited, Gone, Past
from .lines import Block
from .manager import Manager
from .states import Exit, Status
from .waiters import ConditionWaiter

#: seconds: how long a test waits before it fails
TIMEOUT = 10.0


class ManualClock:
    """A monotonic clock that only moves when told. Supervisors that sleep on it are woken to look again."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now
        self._sleepers: list[Callable[[], None]] = []

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Move *seconds* on, and wake who sleeps."""
        self.now += seconds
        for wake in self._sleepers:
            wake()

    def wakes(self, wake: Callable[[], None]) -> None:
        """Call *wake* whenever the clock is moved."""
        self._sleepers.append(wake)


class FakeChild:
    """A process that is none. *obeys*: it ends when asked to; else only by force, or by :meth:`exit`."""

    def __init__(
        self, pid: int, launch: Launch, journal: Journal, wake: Callable[[], None], *, obeys: bool
    ) -> None:
        self.pid = pid
        self.create_time = time.time()
        self.age = 0.0
        self.launch = launch
        self.obeys = obeys
        self.mortal = True
        self.rest = False
        self.reaped = self.left = False
        self.signals: list[str] = []
        self._journal = journal
        self._wake = wake
        self._news: list[Exited | Gone] = []
        self._exit: Exit | None = None
        self._left = False

    def say(self, text: str) -> None:
        """Write a line to stdout."""
        self._journal.append("stdout", self.launch.run, [Block(text.encode() + b"\n", 1)])

    def exit(self, code: int | None = 0, *, signal: str | None = None, rest: bool = False) -> None:
        """End the leader. Any thread."""
        self._exit = Exit(code=None if signal else code, signal=signal)
        self.rest = rest
        self._news.append(Exited(self._exit, rest=rest))
        self._wake()

    def end_rest(self) -> None:
        """End what the leader left. Any thread."""
        self.rest = False
        self._news.append(Gone(self._exit or Exit()))
        self._wake()

    def poll(self) -> Exited | Gone | None:
        """Return the next news; the end is told again until it was heard."""
        if self._news:
            self._left = True
            return self._news.pop(0)
        return Gone(self._exit) if self._left and self._exit and not self.rest else None

    def terminate(self, signal: str) -> None:
        """Note the signal, and obey."""
        self.signals.append(signal)
        if self.obeys:
            self._end(signal)

    def kill(self) -> None:
        """Note it, and die if mortal."""
        self.signals.append("SIGKILL")
        if self.mortal:
            self._end("SIGKILL")

    def _end(self, signal: str) -> None:
        if self._exit is None:
            self.exit(signal=signal)
        elif self.rest:
            self.end_rest()

    def survivors(self) -> tuple[str, ...]:
        """Name itself."""
        return (f"fake (pid {self.pid})",)

    def reap(self) -> None:
        """Note that it is over."""
        self.reaped = True

    def leave(self) -> None:
        """Note that it goes on."""
        self.left = True

    def descriptors(self) -> list[int] | None:
        """Return nothing to wait for: it wakes who waits."""
        return []


class FakeWaiter(ConditionWaiter):
    """Sleeps on a condition; the time-outs of a :class:`ManualClock` are ends that :meth:`wake` brings."""

    def __init__(self, *, manual: bool) -> None:
        super().__init__()
        self._manual = manual

    def wait(self, child: Child | None, timeout: float | None) -> None:  # noqa: ARG002
        """Sleep until woken, or until *timeout* seconds of a real clock are over."""
        endless = self._manual and (timeout is None or timeout > 0)
        super().wait(None, None if endless else timeout)  # no look at the child: it wakes us


class FakeEngine:
    """Makes fake children, kept in :attr:`children`. *fail* may hold errors for the next spawns to raise."""

    def __init__(self, clock: ManualClock | None = None, *, obeys: bool = True) -> None:
        self.children: list[FakeChild] = []
        self.fail: list[Exception] = []
        #: what an earlier owner left, by id; and what the next one is to know
        self.pasts: dict[str, Past] = {}
        self.notes: list[tuple[Status, Configured]] = []
        self.instance = "fake"
        self.obeys = obeys
        self._clock = clock
        self._pids = itertools.count(100_000)
        self._waiters: list[FakeWaiter] = []
        self._changed = threading.Condition()

    def waiter(self) -> FakeWaiter:
        """Return a place to sleep for one supervisor."""
        waiter = FakeWaiter(manual=self._clock is not None)
        self._waiters.append(waiter)
        if self._clock is not None:
            self._clock.wakes(waiter.wake)
        return waiter

    def spawn(self, launch: Launch, journal: Journal) -> FakeChild:
        """Make a fake child, or fail as told."""
        if self.fail:
            raise self.fail.pop(0)
        return self._add(launch, journal)

    def _add(self, launch: Launch, journal: Journal) -> FakeChild:
        child = FakeChild(next(self._pids), launch, journal, self.wake_all, obeys=self.obeys)
        with self._changed:
            self.children.append(child)
            self._changed.notify_all()
        return child

    def child(self, number: int, timeout: float = TIMEOUT) -> FakeChild:
        """Return the *number*-th child, counted from 1, waiting for it."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.children) >= number, timeout):
                raise TimeoutError(f"there are {len(self.children)} children, not {number}")
            return self.children[number - 1]

    def past(self, id: str) -> Past | None:
        """Return where :attr:`pasts` says that it was left."""
        return self.pasts.pop(id, None)

    def left(self) -> tuple[Configured, ...]:
        """Return nothing."""
        return ()

    def removed(self, configured: Configured) -> bool:  # noqa: ARG002
        """Return ``False``."""
        return False

    def remember(self, status: Status, configured: Configured) -> None:
        """Keep it in :attr:`notes`."""
        self.notes.append((status, configured))

    def forget(self, configured: Configured) -> None:
        """Remember nothing."""

    def keep(self, journal: Journal, *, past: bool) -> None:
        """Keep nothing."""

    def dismiss(self, id: str) -> None:
        """Forget nothing."""

    def adopt(self, id: str, run: int, journal: Journal) -> FakeChild:
        """Take over a process that an earlier owner left."""
        launch = Launch(argv=(), cwd="/", env={}, instance=self.instance, id=id, run=run, stop_signal="SIGTERM",
                        stop_timeout=10.0)
        return self._add(launch, journal)

    def wake_all(self) -> None:
        """Wake every supervisor."""
        for waiter in self._waiters:
            waiter.wake()


def wait_for_line(manager: Manager, id: str, text: str, timeout: float = TIMEOUT) -> LogLine:
    """Return the first line of process *id* that holds *text*, from the oldest that is kept on.

    :raises TimeoutError: there was none in *timeout* seconds.
    """
    deadline = time.monotonic() + timeout
    for line in manager.follow(id, after=0, timeout=timeout):
        if isinstance(line, LogLine) and text in line.content:
            return line
        if time.monotonic() > deadline:
            break
    raise TimeoutError(f"process {id!r} did not write {text!r} within {timeout:g} s")
