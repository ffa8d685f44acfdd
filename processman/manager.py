"""The manager: a registry of processes, and everything that concerns more than one of them."""
from __future__ import annotations

import atexit
import dataclasses
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from itertools import chain
from pathlib import Path

from . import foreground
from .config import Config, ProcessConfig
from .engine import Engine
from .errors import DuplicateProcess, NotOwner, NotStarted, ProcessNotFound, StopFailed, WaitTimeout
from .events import Event, Gap, LogLine
from .inbox import one_of
from .journal import KEEP_LINES
from .leftovers import end_leftovers
from .lifecycle import Restart, Start, Stop
from .managed import ManagedProcess
from .observers import Observers
from .runtime import Runtime, configurations, get_ready
from .states import ALIVE, State, Status

logger = logging.getLogger(__name__)

#: seconds beyond the longest stopTimeout that the exit of the interpreter waits
_EXIT_PATIENCE = 3.0


class _Phase(Enum):
    STOPPED = "stopped"
    STARTED = "started"
    STOPPING = "stopping"


class Manager:
    """Starts processes, keeps them alive, and answers for them. Every method may be called from any thread.

    Making one starts nothing and opens nothing::

        with Manager(Config(data_dir="pb_data")) as manager:
            manager.wait_for("worker", "running", timeout=10)

    In a forked copy of a started manager every method raises :exc:`NotOwner`.
    """

    def __init__(self, config: Config | None = None, *, _engine: Engine | None = None) -> None:
        get_ready()
        self.config = Config() if config is None else config
        self._engine = _engine
        self._observers = Observers()
        self._lock = threading.Lock()  # the registry: the fields below
        self._reconfiguring = threading.RLock()  # one start or stop at a time
        self._phase = _Phase.STOPPED
        self._owner: int | None = None
        self._runtime: Runtime | None = None
        self._registered: dict[str, ProcessConfig] = {}

    # -- the whole -------------------------------------------------------------
    @property
    def started(self) -> bool:
        """Whether process actions are possible: after ``start()``, until ``stop()``."""
        return self._phase is _Phase.STARTED

    def register(self, process: ProcessConfig) -> None:
        """Add *process*. Once the manager is started, it starts at once (unless ``autostart=False``).

        A relative ``cwd`` is taken from the current directory as it is now.

        :raises DuplicateProcess: the id is taken.
        """
        self._check_owner()
        if not isinstance(process, ProcessConfig):
            raise TypeError(f"cannot register a {type(process).__name__}: make a ProcessConfig of it")
        if not os.path.isabs(process.cwd):
            process = dataclasses.replace(process, cwd=os.path.abspath(process.cwd))
        with self._lock:
            if process.id in self._registered or process.id in self._processes:
                raise DuplicateProcess(process.id)
            runtime = self._runtime if self.started else None
            managed = runtime.manage(process, templated=False) if runtime is not None else None
            self._registered[process.id] = process
        if managed is not None:
            self._begin(managed)

    def start(self) -> None:
        """Load the file and start everything, in the order of registration: code first, then the file.

        Waits for nothing, but for the end of what a killed manager may have left behind. Twice is harmless.

        :raises ConfigError: the file is wrong; nothing has been started.
        :raises DuplicateProcess: an id is both in the file and registered; nothing has been started.
        :raises StopFailed: something that the last ``stop()`` could not end is still there.
        """
        self._check_owner()
        with self._reconfiguring:
            if self.started:
                return
            self.stop()
            self._check_ended()
            configs = configurations(self.config, tuple(self._registered.values()))
            end_leftovers(Path(self.config.data_dir).absolute())
            self._observers.open()
            runtime = Runtime(self.config, self._observers, engine=self._engine)
            managed = runtime.manage_all(configs)
            with self._lock:
                self._owner = os.getpid()
                self._runtime = runtime
                self._phase = _Phase.STARTED
                late = [config for id, config in self._registered.items() if id not in runtime.processes]
                # registered while the file was read
                managed = (*managed, *(runtime.manage(config, templated=False) for config in late))
            atexit.register(self._at_exit)
            for process in managed:
                self._begin(process)

    def stop(self, timeout: float | None = None) -> None:
        """End everything side by side; return when every tree is gone. Twice is harmless.

        :param timeout: seconds to wait at most; what was asked stays asked.
        :raises StopFailed: something lives on 2 s after SIGKILL.
        :raises WaitTimeout: the time is over.
        """
        self._check_may_wait()
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._reconfigured(timeout):
            with self._lock:
                if self._phase is _Phase.STOPPED:
                    return
                self._phase = _Phase.STOPPING
            survivors = self._runtime.stop(deadline) if self._runtime is not None else {}
            self._observers.close()
            atexit.unregister(self._at_exit)
            with self._lock:
                self._phase = _Phase.STOPPED
            if survivors:
                raise StopFailed(", ".join(survivors), tuple(chain.from_iterable(survivors.values())))

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
        self._check_owner()
        foreground.run(self.start, self.stop, self.kill)

    def kill(self) -> None:
        """While a ``stop()`` is under way: end everything by force, now. Does not wait."""
        self._check_owner()
        for process in self._processes.values():
            process.ask(Stop(grace=0.0), last=True)

    # -- one process -----------------------------------------------------------
    def start_process(self, id: str, *, wait: bool = True, timeout: float | None = None) -> None:
        """Start process *id*; return when it is running, or, without *wait*, when that is accepted.

        :param timeout: seconds; ``None`` waits for ever.
        :raises AlreadyRunning: it is starting or running.
        :raises StartFailed: its first attempt failed; retries may go on.
        :raises Overruled: somebody asked for something else meanwhile.
        :raises WaitTimeout: the time is over.
        """
        self._ask(id, Start(), wait=wait, timeout=timeout)

    def stop_process(self, id: str, *, wait: bool = True, timeout: float | None = None) -> None:
        """Stop process *id*; return when its whole tree is gone. In any state.

        :raises StopFailed: something of it lives on 2 s after SIGKILL.
        :raises Overruled: somebody asked for something else meanwhile.
        :raises WaitTimeout: the time is over.
        """
        self._ask(id, Stop(), wait=wait, timeout=timeout)

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
        status = self.status(id)
        process = self._processes.get(id)
        if process is not None:
            process.wait_answered(process.ask(Stop(), last=True), None)
            process.join(1.0)
            status = process.status
        with self._lock:
            if self._processes.get(id) is not process:
                return  # somebody else removed it first, and the id may be taken again
            self._registered.pop(id, None)
            if self._runtime is not None:
                self._runtime.forget(id)
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
        accept = until if callable(until) else one_of(until)
        return self._ready(id, wait=True).wait_for(accept, timeout)

    # -- looking ---------------------------------------------------------------
    def status(self, id: str) -> Status:
        """Return what process *id* is now."""
        self._check_owner()
        process = self._processes.get(id)
        return process.status if process is not None else _unstarted(self._registration(id))

    def list(self) -> tuple[Status, ...]:
        """Return what every process is now, in the order of registration."""
        self._check_owner()
        with self._lock:
            registered, processes = dict(self._registered), self._processes
        return tuple(
            processes[id].status if id in processes else _unstarted(registered[id])
            for id in {**processes, **registered}
        )

    def logs(self, id: str, lines: int = 100) -> tuple[LogLine, ...]:
        """Return the newest *lines* (1 to 1000) lines of process *id*, oldest first."""
        self._check_owner()
        if not 1 <= lines <= KEEP_LINES:
            raise ValueError(f"cannot read {lines} lines: ask for 1 to {KEEP_LINES}")
        process = self._processes.get(id)
        if process is None:
            self._registration(id)
            return ()
        return process.journal.tail(lines)

    def follow(self, id: str, after: int | None = None, timeout: float | None = None) -> Iterator[LogLine | Gap]:
        """Iterate over the lines of process *id* as they come, from now on or after number *after*.

        Ends when the manager stops, the process is removed, or nothing came for *timeout* seconds. A
        :class:`Gap` says that lines were dropped before this reader came for them.
        """
        journal = self._ready(id).journal
        return journal.follow(journal.last if after is None else after, timeout)

    def subscribe(self, callback: Callable[[Event], None]) -> Callable[[], None]:
        """Call *callback* with each :class:`Event`, in order, from one thread of the manager's own.

        A callback that raises is logged and harms nobody. Returns a function that ends the subscription.
        """
        self._check_owner()
        if not callable(callback):
            raise TypeError(f"cannot subscribe a {type(callback).__name__}: it cannot be called")
        return self._observers.subscribe(callback)

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids, in the order of registration."""
        self._check_owner()
        with self._lock:
            return tuple({**self._processes, **self._registered})

    def __contains__(self, id: object) -> bool:
        return id in self.ids

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[str]:
        return iter(self.ids)

    # -- inside ------------------------------------------------------------------
    @property
    def _processes(self) -> Mapping[str, ManagedProcess]:
        return self._runtime.processes if self._runtime is not None else {}

    def _ask(self, id: str, input: Start | Stop | Restart, *, wait: bool, timeout: float | None) -> None:
        process = self._ready(id, wait=wait)
        ticket = process.ask(input)
        if wait:
            process.wait_answered(ticket, timeout)
        elif isinstance(input, Start):  # who starts what is running is told so at once
            process.wait_taken(ticket)

    @contextmanager
    def _reconfigured(self, timeout: float | None) -> Iterator[None]:
        """Hold the lock of starts and stops; another stop, which may take long, is not waited for longer."""
        if not self._reconfiguring.acquire(timeout=-1 if timeout is None else timeout):
            status = max(self.list(), key=lambda one: one.status in ALIVE)  # there is one: somebody stops it
            raise WaitTimeout(status.id, status)
        try:
            yield
        finally:
            self._reconfiguring.release()

    def _begin(self, process: ManagedProcess) -> None:
        self._observers.publish("registered", process.status)
        if process.config.autostart:
            process.ask(Start(), wake=False)  # it finds that when it begins
        process.begin()

    def _check_ended(self) -> None:
        """A second copy must not be started beside what the last stop could not end."""
        for process in self._processes.values():
            if process.supervised:
                raise StopFailed(process.config.id, process.status.escaped)

    def _at_exit(self) -> None:
        if self._owner != os.getpid():
            return
        longest = max((process.config.stop_timeout for process in self._processes.values()), default=0.0)
        try:
            self.stop(longest + _EXIT_PATIENCE)
        except (StopFailed, WaitTimeout) as error:
            logger.error("%s", error)

    def _ready(self, id: str, *, wait: bool = False) -> ManagedProcess:
        """Return process *id* of a started manager."""
        if wait:
            self._check_may_wait()
        else:
            self._check_owner()
        process = self._processes.get(id)
        if process is None:
            self._registration(id)
        if process is None or not self.started:
            raise NotStarted(f"cannot act on process {id!r}: the manager is not started")
        return process

    def _registration(self, id: str) -> ProcessConfig:
        config = self._registered.get(id)
        if config is None:
            raise ProcessNotFound(id)
        return config

    def _check_owner(self) -> None:
        if self._owner is not None and self._owner != os.getpid():
            raise NotOwner(f"cannot use this manager: it belongs to process {self._owner}, this is a forked copy")

    def _check_may_wait(self) -> None:
        self._check_owner()
        if self._observers.is_calling():
            raise RuntimeError("cannot wait inside a subscriber's callback: it would wait for itself")


def _unstarted(config: ProcessConfig) -> Status:
    return Status(id=config.id, status=State.STOPPED, config=config)
