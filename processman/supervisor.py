"""The supervisor: the thread that decides for one process.

It alone writes the process's state. It takes messages and news, feeds the state machine, does what
that says, and publishes one immutable :class:`~processman.states.Status`. It waits in one place.
"""
from __future__ import annotations

import dataclasses
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from .config import ProcessConfig
from .debounce import ChangeLoop, Debounce
from .engine import Child, Engine
from .errors import AlreadyRunning, Overruled, ProcessmanError, StartFailed, StopFailed
from .failures import report
from .inbox import Changed, Inbox, Leave, Message, Ticket
from .journal import Journal
from .launch import LaunchError, Prepared, explain
from .lifecycle import (
    Action,
    Broken,
    Exited,
    Gone,
    Input,
    Kill,
    Lifecycle,
    Past,
    Report,
    Restart,
    Spawn,
    Spawned,
    SpawnFailed,
    Start,
    Terminate,
)
from .restart import RestartPolicy
from .states import ALIVE, RELOADABLE, UP, Exit, State, Status

logger = logging.getLogger(__name__)

#: seconds between two attempts of a supervisor that fails again and again
_PAUSE = 1.0


class FileWatching(Protocol):
    """What a supervisor needs of a file watch."""

    @property
    def health(self) -> str:
        """``"on"`` or ``"degraded: why"``."""
        ...

    def close(self) -> None:
        """End the watch."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a supervisor needs of its manager. Its own thread calls these."""

    engine: Engine
    #: where an earlier supervisor left the process
    past: Past | None
    #: resolves the configuration for run number n
    prepare: Callable[[int], Prepared]
    #: hears of each new status, and whether its status word is new
    published: Callable[[Status, bool], None]
    #: notes on disk what runs, and that nothing does
    spawned: Callable[[Child | None], None]
    #: begins a file watch that calls back with the path; ``None`` when there is nothing to watch
    watch: Callable[[Callable[[str], None]], FileWatching | None]
    clock: Callable[[], float] = time.monotonic


def _first_status(config: ProcessConfig, past: Past | None) -> Status:
    status = Status(
        id=config.id, status=State.STOPPED, config=config,
        interpreter="" if config.command else config.interpreter,
    )
    if past is None:
        return status
    ended = past.exit or Exit()
    return dataclasses.replace(
        status, status=past.state, pid=past.pid, run=past.run, restart_count=max(0, past.run - 1),
        start_time=past.start_time, since=None if past.pid is None else _since(past.start_time),
        last_error=past.last_error, exit_code=ended.code, signal=ended.signal,
    )


def _since(start: datetime | None) -> float | None:
    return None if start is None else time.monotonic() - (datetime.now(UTC) - start).total_seconds()


class Supervisor(threading.Thread):
    """The watchdog thread of one process."""

    def __init__(self, config: ProcessConfig, surroundings: Surroundings, journal: Journal) -> None:
        super().__init__(name=f"processman-watchdog[{config.id}]", daemon=True)
        self._config = config
        self._surroundings = surroundings
        self._clock = surroundings.clock
        self._journal = journal
        self._waiter = surroundings.engine.waiter()
        self._machine = Lifecycle(
            RestartPolicy(
                restart=config.restart, max_retries=config.max_retries, backoff=config.backoff,
                success_exit_codes=config.success_exit_codes,
            ),
            stop_timeout=config.stop_timeout, past=surroundings.past,
        )
        self._child: Child | None = None
        self._tickets: list[Ticket] = []
        self._last = False
        self._left = False
        #: a failure of our own that is not dealt with yet, and whether to pause after it
        self._trouble = ""
        self._pause = False
        self._debounce = Debounce()
        self._changes = ChangeLoop()
        self._watch: FileWatching | None = None
        self._watch_lost: str | None = None
        self._status = _first_status(config, surroundings.past)
        self.inbox = Inbox(self._status, self._waiter.wake)

    def run(self) -> None:
        """Supervise until a last stop is fulfilled."""
        steps = (self._adopt, self._obey, self._look, self._act, self._recover, self._sleep)
        while not self._is_over():
            for step in steps:
                try:
                    step()
                except Exception as error:  # each step has its turn, whatever fails in another
                    self._broken(error)
        self.inbox.close(left=self._left)  # first what others wait for
        self._journal.close()
        self._unwatch()
        self._waiter.close()

    @property
    def watching(self) -> str | None:
        """How its files are watched, as of now. Any thread."""
        watch = self._watch
        return self._watch_lost if watch is None else watch.health

    def _is_over(self) -> bool:
        return self._left or (self._last and self._machine.state not in ALIVE)

    def _adopt(self) -> None:
        """Take over what an earlier supervisor left running."""
        if self._machine.state is not State.STARTING:
            return
        with suppress(LaunchError):  # it runs, whatever its configuration says by now
            self._prepare(self._machine.run)
        try:
            self._child = self._surroundings.engine.adopt(self._config.id, self._machine.run, self._journal)
        except OSError:
            self._feed(Exited(Exit()))
        else:
            self._feed(self._take_in(self._child, self._status.start_time))

    def _obey(self) -> None:
        while not self._left and (message := self.inbox.take()) is not None:
            self._take(message)

    def _look(self) -> None:
        while self._child is not None and (news := self._child.poll()) is not None:
            self._hear(self._child, news)

    def _act(self) -> None:
        if self._debounce.due(self._clock()):
            self._reload()
        if actions := self._machine.tick(self._clock()):
            self._do(actions)

    def _broken(self, error: Exception) -> None:
        report(logger, "supervising process %r failed", self._config.id, redact=self._status.redact)
        self._trouble = self._status.redact(f"internal error: {type(error).__name__}: {error}")
        self._pause = True

    def _recover(self) -> None:
        """After a failure of our own: end the tree, keep the error, and go on obeying."""
        if self._trouble:
            self._feed(Broken(self._trouble, alive=self._child is not None))
            self._trouble = ""  # else it is tried again

    def _sleep(self) -> None:
        pause, self._pause = self._pause, False
        try:
            self._waiter.wait(*((None, _PAUSE) if pause else (self._child, self._timeout())))
        except Exception:
            threading.Event().wait(_PAUSE)
            raise

    def _timeout(self) -> float | None:
        if self._is_over():
            return 0.0
        deadlines = [each for each in (self._machine.deadline, self._debounce.deadline) if each is not None]
        return max(0.0, min(deadlines) - self._clock()) if deadlines else None

    # -- what is asked --------------------------------------------------------
    def _take(self, message: Message) -> None:
        if isinstance(message, Changed):
            self._debounce.touch(self._clock())
            return
        if isinstance(message, Leave):
            self._leave()
            return
        self._tickets.append(message)  # whatever fails from here on, it will be answered
        self._last = self._last or message.last
        if isinstance(message.input, Start) and self._machine.state in UP:
            self._answer(message, AlreadyRunning(self._config.id))
        elif self._last and message.wants_it_up:  # came in behind the end of the manager, or its removal
            self._answer(message, Overruled(self._config.id, self._status))
        else:
            self._overrule(message)
            self.inbox.acknowledge(message)
            self._changes.reset()
            self._watch_lost = None
            self._feed(message.input)

    def _leave(self) -> None:
        self._left = True
        for ticket in list(self._tickets):
            self._answer(ticket, Overruled(self._config.id, self._status))
        if self._child is not None:
            self._child.leave()
            self._child = None

    def _overrule(self, ticket: Ticket) -> None:
        for earlier in [one for one in self._tickets if one.wants_it_up != ticket.wants_it_up]:
            self._answer(earlier, Overruled(self._config.id, self._status))

    def _reload(self) -> None:
        if self._machine.state not in RELOADABLE:
            return
        since = self._status.since  # what does not run changes nothing
        if since is not None and self._changes.restarted(self._clock() - since):
            self._unwatch("degraded: keeps changing what it watches")
            with suppress(Exception):  # of a handler of the host
                logger.warning("process %r keeps changing what it watches: watched no longer", self._config.id)
        self._feed(Restart())

    # -- news of the child ----------------------------------------------------
    def _hear(self, child: Child, news: Exited | Gone) -> None:
        if isinstance(news, Gone) or not news.rest:
            child.reap()  # every line is in the journal before the end is visible
            self._child = None
            self._status = dataclasses.replace(self._status, pid=None, since=None)
            self._surroundings.spawned(None)
        if self._machine.state in UP:
            self._changes.reset()
        self._feed(news)

    # -- the machine, and what it wants done ----------------------------------
    def _feed(self, input: Input) -> None:
        self._do(self._machine.handle(input, self._clock()))

    def _do(self, actions: tuple[Action, ...]) -> None:
        self._publish()
        for action in actions:
            self._perform(action)

    def _perform(self, action: Action) -> None:
        match action:
            case Spawn(run):
                self._feed(self._spawn(run))
            case Terminate() if self._child is not None:
                self._child.terminate(self._config.stop_signal)
            case Kill() if self._child is not None:
                self._child.kill()
            case Report() if self._child is not None:
                self._publish(escaped=self._child.survivors())

    def _spawn(self, run: int) -> Spawned | SpawnFailed:
        try:
            prepared = self._prepare(run)
        except LaunchError as error:
            return SpawnFailed(str(error), error.kind)
        try:
            self._child = self._surroundings.engine.spawn(prepared.launch, self._journal)
        except Exception as error:
            refused = explain(error, prepared.launch, prepared.redact)
            return SpawnFailed(str(refused), refused.kind)
        return self._take_in(self._child)

    def _prepare(self, run: int) -> Prepared:
        if self._watch is None and self._watch_lost is None:
            self._watch = self._surroundings.watch(lambda path: self.inbox.post(Changed(path)))
        try:
            prepared = self._surroundings.prepare(run)
        except LaunchError as error:
            self._status = dataclasses.replace(self._status, redact=error.redact)
            raise
        self._status = dataclasses.replace(
            self._status, interpreter=prepared.interpreter, redact=prepared.redact
        )
        return prepared

    def _take_in(self, child: Child, start_time: datetime | None = None) -> Spawned:
        self._surroundings.spawned(child)
        self._status = dataclasses.replace(
            self._status, pid=child.pid, since=self._clock() - child.age,
            start_time=start_time or datetime.now(UTC) - timedelta(seconds=child.age),
        )
        return Spawned(child.age)

    def _unwatch(self, why: str | None = None) -> None:
        watch, self._watch, self._watch_lost = self._watch, None, why
        if watch is not None:
            watch.close()
        self._debounce.clear()

    # -- what is told ---------------------------------------------------------
    def _publish(self, *, escaped: tuple[str, ...] = ()) -> None:
        machine, old = self._machine, self._status
        ended = machine.exit or Exit()
        status = self._status = dataclasses.replace(
            old,
            status=machine.state,
            then=machine.wish.value if machine.state is State.STOPPING else "",
            uptime=None if old.since is None else max(0.0, self._clock() - old.since),
            run=machine.run,
            restart_count=max(0, machine.run - 1),
            last_error=old.redact(machine.last_error),
            exit_code=ended.code,
            signal=ended.signal,
            next_retry_at=self._next_retry_at(),
            escaped=escaped or (old.escaped if machine.state is State.STOPPING else ()),
            watch=self.watching,
        )
        self.inbox.publish(status)
        for ticket in list(self._tickets):
            self._settle(ticket, status)
        self._surroundings.published(status, (old.status, old.run) != (status.status, status.run))

    def _next_retry_at(self) -> datetime | None:
        if self._machine.state is not State.CRASHED or self._machine.deadline is None:
            return None
        return datetime.now(UTC) + timedelta(seconds=max(0.0, self._machine.deadline - self._clock()))

    def _settle(self, ticket: Ticket, status: Status) -> None:
        if status.escaped:
            self._answer(ticket, StopFailed(status.id, status.escaped))
        elif ticket.wants_it_up and status.status in (State.CRASHED, State.FAILED):
            self._answer(ticket, StartFailed(status.id, status))
        elif status.status is State.RUNNING if ticket.wants_it_up else status.status not in ALIVE:
            self._answer(ticket)

    def _answer(self, ticket: Ticket, error: ProcessmanError | None = None) -> None:
        self._tickets.remove(ticket)
        self.inbox.answer(ticket, error)
