"""The manager, as its users see it: a registry of processes, and what can be asked of them."""
from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from . import foreground
from .bridge import LineBridge
from .config import Config, ProcessConfig
from .engine import Engine
from .errors import ChangingHands, NotStarted
from .events import Event, Gap, LogLine, News
from .inbox import one_of
from .journal import KEEP_LINES
from .life import Life
from .lifecycle import Restart, Start, Stop
from .managed import ManagedProcess
from .observers import Observers
from .relay import by_owner, read_from_owner
from .runtime import get_ready
from .states import State, Status


class Manager:
    """Starts processes, keeps them alive, and answers for them. Every method may be called from any thread.

    Making one starts nothing and opens nothing::

        with Manager(Config(data_dir="pb_data")) as manager:
            manager.wait_for("worker", "running", timeout=10)

    In a forked copy of a started manager every method raises :exc:`NotOwner`.

    With ``Config(engine="keeper")`` any number of Managers, in as many processes, share one copy of each
    process: one of them, the owner, supervises; what the others are asked they ask it.
    """

    def __init__(
        self, config: Config | None = None, *, _engine: Engine | None = None, _idle: bool = False
    ) -> None:
        get_ready()
        self.config = Config() if config is None else config
        self._observers = Observers()
        self._life = Life(self.config, self._observers, self, engine=_engine)
        self._life.idle = _idle

    # -- the whole -------------------------------------------------------------
    @property
    def started(self) -> bool:
        """Whether process actions are possible: after ``start()``, until ``stop()``."""
        return self._life.started

    @property
    def role(self) -> str:
        """Who this Manager is among those that share its processes.

        ``"owner"``: it supervises. ``"follower"``: it asks the owner. ``"deferred"``: it starts in the workers
        that are forked from here. ``"detached"``: a forked copy of a started one. ``"stopped"``: none of these.

        .. versionadded:: 0.2
        """
        return self._life.role

    def share(self) -> None:
        """Where the configuration leaves the engine open, use the keeper: this host may be one of many.

        What an integration calls before it starts. Nothing changes where the platform has no keeper.

        .. versionadded:: 0.2
        """
        self._life.shared = True

    def lead_for_others(self) -> None:
        """Start, and lead for hosts that cannot; return when no host is left.

        .. versionadded:: 0.2
        """
        self._life.lead_for(None)
        self._life.wait_until_left()

    def lead_for(self, pid: int) -> None:
        """Start; what runs goes on while process *pid* lives, whatever becomes of this Manager, and then ends.

        For hosts that are no Python. Needs the keeper, and Linux. When this Manager or its process ends in any
        way but by :meth:`stop`, the next that leads for *pid* goes on with what runs.

        :raises ProcessmanError: there is no such process.

        .. versionadded:: 0.2
        """
        self._life.lead_for(pid)

    def bridge_to(self, bridge: LineBridge) -> None:
        """Before the start: let lines go over *bridge* instead of to ``logging``. It serves one start.

        .. versionadded:: 0.2
        """
        self._life.bridge = bridge

    def wait_until_left(self) -> None:
        """Wait until those that this leads for are over, and everything has ended.

        .. versionadded:: 0.2
        """
        self._life.wait_until_left()

    def defer(self) -> None:
        """Say that this Manager is to be started in the workers that are forked from this process.

        .. versionadded:: 0.2
        """
        self._life.deferred = True

    def register(self, process: ProcessConfig) -> None:
        """Add *process*. Once the manager is started, it starts at once (unless ``autostart=False``).

        A relative ``cwd`` is taken from the current directory as it is now.

        A follower's registration reaches the owner: one that is equal to what that has merges with it, a
        different one of a newer host replaces it.

        :raises DuplicateProcess: the id is taken.
        """
        self._life.check_owner()
        if not isinstance(process, ProcessConfig):
            raise TypeError(f"cannot register a {type(process).__name__}: make a ProcessConfig of it")
        if not os.path.isabs(process.cwd):
            process = dataclasses.replace(process, cwd=os.path.abspath(process.cwd))
        self._life.register(process)

    def start(self) -> None:
        """Load the file and start everything, in the order of registration: code first, then the file.

        Waits for nothing, but for the end of what a killed manager may have left behind. Twice is harmless.

        :raises ConfigError: the file is wrong; nothing has been started.
        :raises DuplicateProcess: an id is both in the file and registered; nothing has been started.
        :raises StopFailed: something that the last ``stop()`` could not end is still there.
        """
        self._life.start()

    def stop(self, timeout: float | None = None) -> None:
        """End everything side by side; return when every tree is gone. Twice is harmless.

        With the keeper: give back this Manager's lease, and end processes only when nobody else holds one.

        :param timeout: seconds to wait at most; what was asked stays asked.
        :raises StopFailed: something lives on 2 s after SIGKILL.
        :raises WaitTimeout: the time is over.
        """
        self._check_may_wait()
        self._life.stop(timeout)

    def __enter__(self) -> Manager:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def run(self) -> None:
        """Start, sleep until SIGINT, SIGTERM or SIGHUP, and stop. A second signal kills all at once.

        For scripts: signal handlers are in place only meanwhile, and are put back.

        :raises RuntimeError: this is not the main thread.
        """
        self._life.check_owner()
        foreground.run(self.start, self.stop, self.kill)

    def kill(self) -> None:
        """While a ``stop()`` is under way: end everything by force, now. Does not wait."""
        self._life.check_owner()
        for process in self._life.processes.values():
            process.ask(Stop(grace=0.0), last=True)

    # -- one process -----------------------------------------------------------
    @by_owner
    def start_process(self, id: str, *, wait: bool = True, timeout: float | None = None) -> None:
        """Start process *id*; return when it is running, or, without *wait*, when that is accepted.

        :param timeout: seconds; ``None`` waits for ever.
        :raises AlreadyRunning: it is starting or running.
        :raises StartFailed: its first attempt failed; retries may go on.
        :raises Overruled: somebody asked for something else meanwhile.
        :raises WaitTimeout: the time is over.
        """
        self._ask(id, Start(), wait=wait, timeout=timeout)

    @by_owner
    def stop_process(self, id: str, *, wait: bool = True, timeout: float | None = None) -> None:
        """Stop process *id*; return when its whole tree is gone. In any state.

        :raises StopFailed: something of it lives on 2 s after SIGKILL.
        :raises Overruled: somebody asked for something else meanwhile.
        :raises WaitTimeout: the time is over.
        """
        self._ask(id, Stop(), wait=wait, timeout=timeout)

    @by_owner
    def restart_process(self, id: str, *, wait: bool = True, timeout: float | None = None) -> None:
        """Restart process *id*, or start it where it is not running; return when the new run is running.

        :raises StartFailed: its first attempt failed; retries may go on.
        :raises StopFailed: the old run could not be ended.
        :raises Overruled: somebody asked for something else meanwhile.
        :raises WaitTimeout: the time is over.
        """
        self._ask(id, Restart(), wait=wait, timeout=timeout)

    def remove(self, id: str) -> None:
        """Stop process *id* and forget it.

        :raises StopFailed: something of it lives on; it is not forgotten.
        """
        self._check_may_wait()
        if (seat := self._life.followed) is not None:
            seat.call(Manager.remove, id)
            self._life.forget(id, None)
            return
        status = self.status(id)
        process = self._life.processes.get(id)
        if process is not None:
            process.wait_answered(process.ask(Stop(), last=True), None)
            process.join(1.0)
            status = process.status
        if not self._life.forget(id, process):
            return  # somebody else removed it first, and the id may be taken again
        self._observers.publish("removed", status)

    def wait_for(
        self, id: str, until: str | Iterable[str] | Callable[[Status], bool], timeout: float | None = None
    ) -> Status:
        """Wait until process *id* has one of the status words in *until*, or until ``until(status)`` is true.

        Every status is seen, however short. Returns the one that fits, at once if it is the present one.

        :raises StartFailed: words are waited for, it is ``failed``, and that is not among them.
        :raises Overruled: it is removed, or the manager stopped.
        :raises WaitTimeout: the time is over.
        """
        if not callable(until) and not isinstance(until, str):
            until = tuple(until)
        status: Status = self._wait_for(id, until, timeout)
        return status

    @by_owner
    def _wait_for(
        self, id: str, until: str | Iterable[str] | Callable[[Status], bool], timeout: float | None
    ) -> Status:
        accept = until if callable(until) else one_of(until)
        return self._ready(id, wait=True).wait_for(accept, timeout)

    # -- looking ---------------------------------------------------------------
    @read_from_owner
    def status(self, id: str) -> Status:
        """Return what process *id* is now."""
        self._life.check_owner()
        process = self._life.processes.get(id)
        return process.status if process is not None else _unstarted(self._life.registration(id))

    @read_from_owner
    def list(self) -> tuple[Status, ...]:
        """Return what every process is now, in the order of registration."""
        self._life.check_owner()
        registered, processes = self._life.registered, self._life.processes
        return tuple(
            processes[id].status if id in processes else _unstarted(registered[id])
            for id in {**processes, **registered}
        )

    @read_from_owner
    def logs(self, id: str, lines: int = 100) -> tuple[LogLine, ...]:
        """Return the newest *lines* (1 to 1000) lines of process *id*, oldest first."""
        self._life.check_owner()
        if not 1 <= lines <= KEEP_LINES:
            raise ValueError(f"cannot read {lines} lines: ask for 1 to {KEEP_LINES}")
        process = self._life.processes.get(id)
        if process is None:
            self._life.registration(id)
            return ()
        return process.journal.tail(lines)

    @by_owner
    def news(self, id: str, after: int = 0, *, epoch: str = "", timeout: float = 0.0) -> News:
        """Return the lines of process *id* after number *after*, for who asks again and again with what it got.

        Numbers belong to an epoch: with that of another life of the log, or a number that it has not reached,
        it starts from the oldest line there is.

        :param timeout: seconds to wait for a line; it ends early when the process is removed or all is stopped.

        .. versionadded:: 0.2
        """
        self._life.check_owner()
        process = self._life.processes.get(id)
        if process is None:
            self._life.registration(id)
            return News((), 0, 0, "")
        return process.journal.news(after, epoch=epoch, timeout=timeout)

    def follow(self, id: str, after: int | None = None, timeout: float | None = None) -> Iterator[LogLine | Gap]:
        """Iterate over the lines of process *id* as they come, from now on or after number *after*.

        Ends when the manager stops, the process is removed, or nothing came for *timeout* seconds. A
        :class:`Gap` says that lines were dropped before this reader came for them.
        """
        if self._life.followed is not None:
            after = self.at_owner(_last_line, id) if after is None else after
            return self._follow_owner(self.at_owner(Manager.follow, id, after, timeout), id, after, timeout)
        journal = self._ready(id).journal
        return journal.follow(journal.last if after is None else after, timeout)

    def _follow_owner(
        self, items: Iterator[LogLine | Gap], id: str, after: int, timeout: float | None
    ) -> Iterator[LogLine | Gap]:
        """Iterate over *items* that the owner gives, and go on with what the next one does."""
        while True:
            try:
                for item in items:
                    after = after + item.missed if isinstance(item, Gap) else item.seq
                    yield item
                return
            except ChangingHands:
                items = self.follow(id, after, timeout)

    def subscribe(self, callback: Callable[[Event], None]) -> Callable[[], None]:
        """Call *callback* with each :class:`Event`, in order, from one thread of the manager's own.

        A callback that raises is logged and harms nobody. Returns a function that ends the subscription.
        """
        self._life.check_owner()
        if not callable(callback):
            raise TypeError(f"cannot subscribe a {type(callback).__name__}: it cannot be called")
        return self._observers.subscribe(callback)

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids, in the order of registration."""
        return tuple(status.id for status in self.list())

    def __contains__(self, id: object) -> bool:
        return id in self.ids

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[str]:
        return iter(self.ids)

    def at_owner(self, function: Callable[..., Any], *args: object, **more: object) -> Any:
        """Call *function* in the process of the owner, with its Manager and *args*; return or raise what it does.

        It is sent by its name, so it has to be one of a module. What of *args* can be called is called back here.

        :raises ChangingHands: nobody leads, or who led has gone in the middle of it.

        .. versionadded:: 0.2
        """
        seat = self._life.followed
        return function(self, *args, **more) if seat is None else seat.call(function, *args, **more)

    # -- inside ------------------------------------------------------------------
    def _ask(self, id: str, input: Start | Stop | Restart, *, wait: bool, timeout: float | None) -> None:
        process = self._ready(id, wait=wait)
        ticket = process.ask(input)
        if wait:
            process.wait_answered(ticket, timeout)
        elif isinstance(input, Start):  # who starts what is running is told so at once
            process.wait_taken(ticket)

    def _ready(self, id: str, *, wait: bool = False) -> ManagedProcess:
        """Return process *id* of a started manager."""
        if wait:
            self._check_may_wait()
        else:
            self._life.check_owner()
        process = self._life.processes.get(id)
        if process is None:
            self._life.registration(id)
        if process is None or not self.started:
            raise NotStarted(f"cannot act on process {id!r}: the manager is not started")
        return process

    def _check_may_wait(self) -> None:
        self._life.check_owner()
        if self._observers.is_calling():
            raise RuntimeError("cannot wait inside a subscriber's callback: it would wait for itself")


def _last_line(manager: Manager, id: str) -> int:
    return manager._ready(id).journal.last  # noqa: SLF001


def _unstarted(config: ProcessConfig) -> Status:
    return Status(id=config.id, status=State.STOPPED, config=config)
