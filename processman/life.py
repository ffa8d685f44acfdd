"""The life of a Manager: what is registered, whether it is started, and who supervises for it."""
from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from enum import Enum
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from . import hosts, signals
from .config import Config, ProcessConfig
from .configured import Configured
from .desk import Desk
from .engine import Engine
from .errors import (
    ChangingHands,
    DuplicateProcess,
    NotOwner,
    ProcessmanError,
    StopFailed,
    WaitTimeout,
)
from .followers import Followers
from .leftovers import end_leftovers
from .lifecycle import Stop
from .managed import ManagedProcess
from .observers import Observers
from .registry import Registry
from .runtime import Runtime
from .states import ALIVE

if TYPE_CHECKING:
    from .bridge import LineBridge
    from .kept import KeptEngine
    from .manager import Manager
    from .owner import Seat

logger = logging.getLogger(__name__)

#: seconds beyond the longest stopTimeout that the exit of the interpreter waits
_EXIT_PATIENCE = 3.0
#: seconds that processes outlive the last lease where something starts the next host; on Linux only while that
#: lives, so it may take its time
_LINGER = 60.0 if sys.platform == "linux" else 3.0
#: how often a follower looks for an owner to tell it what is configured here
_TRIES = 5


class _Phase(Enum):
    STOPPED = "stopped"
    STARTED = "started"
    STOPPING = "stopping"


class Life:
    """One Manager's. It supervises itself while its phase is started; with a seat, it follows while it is not."""

    def __init__(self, config: Config, observers: Observers, manager: Manager, *, engine: Engine | None) -> None:
        self._config = config
        self._observers = observers
        self._manager = manager
        self._engine = engine
        self.deferred = self.shared = False
        #: a start begins nothing that nobody asks for
        self.idle = False
        #: leads for hosts that cannot, and for nobody else
        self._for_others = False
        #: leads for this process, which is no Manager
        self._host: int | None = None
        #: where lines go, instead of to logging
        self.bridge: LineBridge | None = None
        self._lost = threading.Event()
        self._begin_anew()
        self._registry = Registry(config)

    def _begin_anew(self) -> None:
        self._lock = threading.Lock()  # the registry, and the fields below
        self._reconfiguring = threading.RLock()  # one start or stop at a time
        self._phase = _Phase.STOPPED
        self._owner: int | None = None
        self._seat: Seat | None = None
        self._desk: Desk | None = None
        self._runtime: Runtime | None = None
        self._followers: Followers | None = None

    # -- looking -----------------------------------------------------------------
    @property
    def started(self) -> bool:
        """Whether process actions are possible."""
        return self._phase is _Phase.STARTED or self.followed is not None

    @property
    def followed(self) -> Seat | None:
        """The seat by which the owner is asked, where somebody else is that."""
        return self._seat if self._phase is _Phase.STOPPED and not self._is_copy else None

    @property
    def role(self) -> str:
        """Who this is among the Managers that share processes."""
        if self._is_copy:
            return "detached"
        if self.followed is not None:
            return "follower"
        if self._phase is _Phase.STARTED:
            return "owner"
        return "deferred" if self.deferred else "stopped"

    @property
    def processes(self) -> Mapping[str, ManagedProcess]:
        """What is supervised, or was, by id."""
        return self._runtime.processes if self._runtime is not None else {}

    @property
    def registered(self) -> Mapping[str, ProcessConfig]:
        """What was registered in code, by id."""
        with self._lock:
            return dict(self._registry.registered)

    def registration(self, id: str) -> ProcessConfig:
        """Return what was registered as *id*.

        :raises ProcessNotFound: nothing was.
        """
        return self._registry.registration(id)

    def check_owner(self) -> None:
        """Refuse to work in a forked copy.

        :raises NotOwner: this is one.
        """
        if self._is_copy:
            raise NotOwner(f"cannot use this manager: it belongs to process {self._owner}, this is a forked copy")

    @property
    def _is_kept(self) -> bool:
        if self._engine is not None:
            return False
        wanted = self._config.engine
        return wanted == "keeper" or (wanted == "auto" and self.shared and hosts.has_keeper())

    @property
    def _is_copy(self) -> bool:
        return self._owner is not None and self._owner != os.getpid()

    # -- changing ----------------------------------------------------------------
    def register(self, process: ProcessConfig) -> None:
        """Add *process*, and begin it if the rest has begun."""
        with self._lock:
            runtime = self._runtime if self._phase is _Phase.STARTED else None
            configured = Configured.by(self._config, process, lasting=self.started)
            followers = self._followers
            told = followers is not None and process.id in followers  # by one of them, before us
            if process.id in self._registry or (process.id in self.processes and not told):
                raise DuplicateProcess(process.id)
            managed = runtime.manage(configured) if runtime is not None and not told else None
            self._registry.add(configured)
        if managed is not None:
            self._begin(managed)
        elif told and followers is not None and (seat := self._seat) is not None:
            followers.merge(configured, seat.generation)
        self._tell(configured)

    def forget(self, id: str, process: ManagedProcess | None) -> bool:
        """Forget *id*, if it still means *process*."""
        with self._lock:
            if self.processes.get(id) is not process:
                return False
            self._registry.forget(id)
            if self._followers is not None:
                self._followers.forget(id)
            if self._runtime is not None:
                self._runtime.forget(id)
            return True

    def start(self) -> None:
        """Begin: supervise, or follow who does."""
        if self._is_copy and self._seat is not None:  # with a keeper a copy may have a life of its own
            self._seat.forget()
            self._observers.begin_anew()
            self._begin_anew()
        self.check_owner()
        with self._reconfiguring:
            if self.started:
                return
            self.stop(None)
            self._check_ended()
            configs, whole = self._read()
            if self._is_kept:
                self._take_seat()
            else:
                end_leftovers(Path(self._config.data_dir).absolute())
                self._lead(self._engine, configs)
            atexit.register(self._at_exit)
        self._tell(*configs, whole=whole)

    def _read(self) -> tuple[Sequence[Configured], bool]:
        """Return what is configured here, and whether that is the whole of it: what runs outlives a broken file.

        :raises ProcessmanError: the file is wrong, and nothing runs that another host began.
        """
        try:
            return self._registry.read(), True
        except ProcessmanError as error:
            if not (self._is_kept and self._is_held()):
                raise
            logger.error("%s", error)
            return self._registry.do_without_file(), False

    def _is_held(self) -> bool:
        from .visit import is_held  # not on every platform

        return is_held(self._config)

    def lead_for(self, host: int | None) -> None:
        """Begin to lead for process *host*, or, without one, for whoever there is."""
        self._host, self._for_others = host, host is None
        self.start()

    def wait_until_left(self) -> None:
        """Wait until no host is left, and end."""
        self._lost.wait()
        self.stop(None)

    def stop(self, timeout: float | None, *, leaving: bool = False) -> None:
        """End, and what nobody else wants to go on; *leaving*: the next host may want it in a moment."""
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._reconfigured(timeout):
            with self._lock:
                if self._phase is _Phase.STOPPED and self._seat is None:
                    return
                self._phase = _Phase.STOPPING
            survivors = self._end(deadline, leaving=leaving)
            self._observers.close()
            atexit.unregister(self._at_exit)
            with self._lock:
                self._phase = _Phase.STOPPED
                self._registry.end()
            if survivors:
                raise StopFailed(", ".join(survivors), tuple(chain.from_iterable(survivors.values())))

    @contextmanager
    def _reconfigured(self, timeout: float | None) -> Iterator[None]:
        """Hold the lock of starts and stops; another stop, which may take long, is not waited for longer."""
        if not self._reconfiguring.acquire(timeout=-1 if timeout is None else timeout):
            status = max(self._manager.list(), key=lambda one: one.status in ALIVE)  # there is one: it is stopped
            raise WaitTimeout(status.id, status)
        try:
            yield
        finally:
            self._reconfiguring.release()

    def _lead(self, engine: Engine | None, configs: Sequence[Configured], *, whole: bool = True) -> None:
        """Begin to supervise, and with what an earlier owner left: unless *configs* are the *whole*, all of it."""
        self._observers.open()
        runtime = Runtime(self._config, self._observers, engine=engine, bridge=self.bridge)
        managed = runtime.manage_all(configs)
        with self._lock:
            self._owner = os.getpid()
            self._runtime = runtime
            self._phase = _Phase.STARTED
            self._registry.forget_removed(runtime.was_removed)
            late = [each for id, each in self._registry.registered.items() if id not in runtime.processes]
            # registered while the file was read
            managed = (*managed, *(runtime.manage(Configured.by(self._config, each)) for each in late))
            managed = (*managed, *runtime.take_over(all=self._for_others or not whole))
        if self._seat is None:
            self._begin(*managed, idle=self.idle)
            return
        self._followers = Followers(runtime, self._seat.generation, self._lock, self._begin)
        with self._followers.listening:
            self._desk = self._seat.serve(self._manager)  # what runs is known before it is in our hands
            self._begin(*managed, idle=self.idle)
        runtime.wait_for_all()

    def _begin(self, *processes: ManagedProcess, idle: bool = False) -> None:
        with nullcontext() if self._seat is None else signals.left_to_others():
            for process in processes:
                self._observers.publish("registered", process.status)
                process.begin(idle=idle)
                if self._phase is not _Phase.STARTED:  # it has ended meanwhile, and has not seen this one
                    process.ask(Stop(), last=True) if self._seat is None else process.leave()

    def _end(self, deadline: float | None, *, leaving: bool) -> dict[str, tuple[str, ...]]:
        """End what runs, or leave it to who holds a lease as well; return what could not be ended."""
        seat, runtime = self._seat, self._runtime
        survivors: dict[str, tuple[str, ...]] = {}
        self._close_desk()
        if runtime is not None and seat is not None and (seat.others or (leaving and seat.lasts)):
            runtime.hand_over()
            self._runtime = None  # what others do with it is not known
        elif runtime is not None:
            survivors = runtime.stop(deadline)
        if seat is not None:
            seat.close()
            self._seat = None
        return survivors

    def _check_ended(self) -> None:
        """A second copy must not be started beside what the last stop could not end."""
        for process in self.processes.values():
            if process.supervised:
                raise StopFailed(process.config.id, process.status.escaped)

    def _at_exit(self) -> None:
        if self._owner != os.getpid():
            return
        longest = max((process.config.stop_timeout for process in self.processes.values()), default=0.0)
        try:
            self.stop(longest + _EXIT_PATIENCE, leaving=True)
        except (StopFailed, WaitTimeout) as error:
            logger.error("%s", error)

    # -- among others --------------------------------------------------------------
    def _take_seat(self) -> None:
        from .owner import Part, Seat  # not on every platform

        linger, supervisor = self._config.linger, None
        if linger is None:
            supervisor = hosts.supervisor()
            linger = 0.0 if supervisor is None else _LINGER
        self._owner = os.getpid()
        part = Part.ANY
        if self._for_others or self._host is not None:
            part = Part.LEAD
        elif self._config.owner == "process" or hosts.cannot_lead():
            part = Part.FOLLOW
        self._seat = Seat(self._config, linger=linger, lead=self._lead_kept, lose=self._lose_lead,
                          follow=self._follow, part=part, supervisor=supervisor, host=self._host)
        try:
            self._seat.take()
        except BaseException:
            self._seat.close()
            self._seat = None
            raise

    def _lead_kept(self, engine: KeptEngine) -> None:
        """Become the owner. Called while this starts, or later by the thread that waits for control."""
        with self._reconfiguring:
            if self._seat is None or self._phase is not _Phase.STOPPED:
                return
            configs, whole = self._read()
            try:
                self._lead(engine, configs, whole=whole)
            except BaseException:
                self._lose_lead()
                raise

    def _lose_lead(self) -> None:
        """Become a follower: the keeper is lost with all that it held, and another host leads at the next."""
        with self._reconfiguring:
            self._close_desk()
            with self._lock:
                runtime, self._runtime, self._phase = self._runtime, None, _Phase.STOPPED
            if runtime is not None:
                runtime.hand_over()
        self._lost.set()

    def _close_desk(self) -> None:
        self._followers = None
        desk, self._desk = self._desk, None
        if desk is not None:
            desk.close()

    def _follow(self) -> None:
        """Tell who leads with a new keeper all that is configured here."""
        self._tell(*self._registry.configured)

    def merge(self, configs: Sequence[Configured], generation: float, *, whole: bool) -> None:
        """Take in what a follower of *generation* has configured; *whole*: and it has nothing else."""
        followers = self._followers
        if followers is None or self._phase is not _Phase.STARTED:
            raise ChangingHands("cannot register a process: the lead is changing hands")
        for configured in configs:
            followers.merge(configured, generation)
        if whole and self._for_others:  # else the newest will lead itself
            followers.dismiss_others({configured.config.id for configured in configs}, generation)

    def _tell(self, *configs: Configured, whole: bool = False) -> None:
        """Tell the owner, where that is somebody else, what is configured here; *whole*: and nothing else is."""
        for _ in range(_TRIES):
            seat = self.followed
            if seat is None:
                return
            try:
                seat.call(merge, configs, seat.generation, whole=whole)
                return
            except ChangingHands as error:
                logger.warning("%s", error)


def merge(manager: Manager, configs: Sequence[Configured], generation: float, *, whole: bool) -> None:
    """Take in what a follower of *generation* has configured. The owner's desk calls it."""
    manager._life.merge(configs, generation, whole=whole)  # noqa: SLF001
