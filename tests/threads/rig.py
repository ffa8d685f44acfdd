"""One supervised process on fake children and a clock that is moved by hand."""
from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from support import until

from processman.config import ProcessConfig
from processman.configured import Configured
from processman.engine import Child, Launch
from processman.inbox import Changed, Ticket
from processman.launch import LaunchError, Prepared
from processman.lifecycle import Restart, Start, Stop
from processman.managed import ManagedProcess
from processman.states import Status
from processman.supervisor import Surroundings
from processman.testing import TIMEOUT, FakeChild, FakeEngine, FakeWaiter, ManualClock


class CountingWaiter(FakeWaiter):
    """Counts how often somebody came to sleep here."""

    def __init__(self) -> None:
        super().__init__(manual=True)
        self._rounds = 0
        self._closed = False
        self._came = threading.Condition()

    def wait(self, child: Child | None, timeout: float | None) -> None:
        with self._came:
            self._rounds += 1
            self._came.notify_all()
        super().wait(child, timeout)

    def close(self) -> None:
        with self._came:
            self._closed = True
            self._came.notify_all()

    def round(self) -> None:
        """Wake whoever sleeps here, and wait until it comes again."""
        with self._came:
            before = self._rounds
            self.wake()
            assert self._came.wait_for(lambda: self._rounds > before or self._closed, TIMEOUT)


class CountingEngine(FakeEngine):
    """Hands out waiters that count."""

    def __init__(self, clock: ManualClock, *, obeys: bool) -> None:
        super().__init__(clock, obeys=obeys)
        self.sleeper = CountingWaiter()
        clock.wakes(self.sleeper.wake)

    def waiter(self) -> CountingWaiter:
        return self.sleeper

    def wake_all(self) -> None:
        self.sleeper.wake()


class FakeWatch:
    """A file watch that the test speaks for."""

    def __init__(self) -> None:
        self.health = "on"
        self.closed = False

    def close(self) -> None:
        self.closed = True


class Rig:
    """The process, and everything around it within reach."""

    def __init__(self, *, obeys: bool = True, watched: bool = False, **options: Any) -> None:
        self.clock = ManualClock()
        self.engine = CountingEngine(self.clock, obeys=obeys)
        self.statuses: list[Status] = []
        self.entered: list[str] = []
        self.noted: list[int | None] = []
        self.watches: list[FakeWatch] = []
        #: raised by the next preparations
        self.refuse: list[LaunchError] = []
        #: preparations pass only while it is set
        self.gate = threading.Event()
        self.gate.set()
        self._watched = watched
        config = ProcessConfig(id="p", command="fake", **options)
        self.process = ManagedProcess(Configured(config), Surroundings(
            engine=self.engine, past=None, prepare=self._prepare, published=self._published,
            spawned=lambda child: self.noted.append(child and child.pid), watch=self._watch, clock=self.clock,
        ))
        self.supervisor = self.process._supervisor
        self.process.begin()

    def _prepare(self, run: int) -> Prepared:
        assert self.gate.wait(TIMEOUT)
        if self.refuse:
            raise self.refuse.pop(0)
        launch = Launch(argv=("fake",), cwd=".", env={}, instance="rig", id="p", run=run,
                        stop_signal="SIGTERM", stop_timeout=10.0)
        return Prepared(launch=launch, interpreter="", redact=lambda text: text.replace("hunter2", "****"))

    def _published(self, status: Status, entered: bool) -> None:
        self.statuses.append(status)
        if entered:
            self.entered.append(status.status.value)

    def _watch(self, notify: Callable[[str], None]) -> FakeWatch | None:
        if not self._watched:
            return None
        self.watches.append(FakeWatch())
        return self.watches[-1]

    @property
    def status(self) -> Status:
        return self.process.status

    def start(self) -> FakeChild:
        """Start it, and return the new child."""
        before = len(self.engine.children)
        self.process.wait_answered(self.process.ask(Start()), TIMEOUT)
        return self.engine.child(before + 1)

    def stop(self) -> None:
        self.process.wait_answered(self.process.ask(Stop()), TIMEOUT)

    def restart(self) -> None:
        self.process.wait_answered(self.process.ask(Restart()), TIMEOUT)

    def taken(self, input: Start | Stop | Restart, *, last: bool = False) -> Ticket:
        """Ask for something, and wait until it is accepted."""
        ticket = self.process.ask(input, last=last)
        self.process.wait_taken(ticket)
        return ticket

    def answer(self, ticket: Ticket) -> None:
        self.process.wait_answered(ticket, TIMEOUT)

    def until(self, word: str) -> Status:
        return self.process.wait_for(lambda status: status.status == word, TIMEOUT)

    def crash(self, code: int = 1) -> None:
        """End the newest child, and wait until that is judged."""
        run = self.status.run
        self.engine.children[-1].exit(code)
        self.process.wait_for(lambda status: status.run > run or status.status != "running", TIMEOUT)

    def change(self, *, rest: float = 0.5) -> None:
        """Change a file, and let *rest* seconds pass; half a second is what a change takes to be believed."""
        self.process._inbox.post(Changed("a.py"))
        self.settle()
        self.elapse(rest)

    def elapse(self, seconds: float) -> None:
        """Let time pass, and whatever that brings about happen."""
        self.clock.advance(seconds)
        self.settle()

    def settle(self) -> None:
        """Return when the supervisor has looked at everything that there is now."""
        self.engine.sleeper.round()
        self.engine.sleeper.round()  # the first look may have begun before

    def runs(self) -> int:
        """How many children there have been."""
        return len(self.engine.children)

    def close(self) -> None:
        self.gate.set()
        last = self.process.ask(Stop(grace=0.0), last=True)
        for child in self.engine.children:
            child.mortal = True
        self.patiently(last)
        until(self._over, what="the end of the supervisor")

    def patiently(self, ticket: Ticket) -> None:
        """Wait until *ticket* is answered, somehow, letting time pass."""
        for _ in range(100):
            if ticket.answered:
                return
            self.elapse(0.3)
        raise AssertionError(f"there is no answer to {ticket}")

    def _over(self) -> bool:
        if self.engine.children and self.engine.children[-1]._exit is None:
            self.engine.children[-1].exit(signal="SIGKILL")
        return not self.process.supervised
