"""What a started manager works with: its processes, and the engine, ledger, file watch and bridge they share."""
from __future__ import annotations

import hashlib
import itertools
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from .bridge import Bridge
from .config import KEYS, Config, ProcessConfig
from .engine import Child, Engine
from .errors import DuplicateProcess, StopFailed, WaitTimeout
from .filewatch import FileWatch, Watch
from .inbox import Ticket
from .launch import Prepared, prepare
from .ledger import Ledger
from .lifecycle import Past, Restart, Start, Stop
from .local import LocalEngine
from .managed import ManagedProcess
from .observers import Observers
from .roots import pocketbase_files
from .states import State, Status
from .supervisor import Surroundings
from .table import import_psutil

logger = logging.getLogger(__name__)

#: seconds that what runs already may take to be in our hands
_PATIENCE = 5.0
#: threads that all wake at once fight over the interpreter; with this many seconds each, they take turns
_SWITCH_INTERVAL = 0.1
_turns = threading.Lock()


def get_ready() -> None:
    """Import what a start needs while it can be read: a host may give up its privileges before that."""
    from . import loader  # noqa: F401

    import_psutil()


def configurations(config: Config, registered: Iterable[ProcessConfig]) -> Sequence[tuple[ProcessConfig, bool]]:
    """Return what is *registered* and what the file holds, each with whether its env values are templates.

    :raises ConfigError: the file is wrong.
    :raises DuplicateProcess: an id is in both.
    """
    from .loader import load  # reads JSON, which importing us should not take time for

    found = {process.id: (process, False) for process in registered}
    if config.config_file is not None:
        data_dir = Path(config.data_dir).absolute()
        for process in load(data_dir / config.config_file, data_dir=data_dir):
            if process.id in found:
                raise DuplicateProcess(process.id)
            found[process.id] = (process, True)
    return tuple(found.values())


class Runtime:
    """One life of a manager, from a start to a stop. After that it is only looked at."""

    def __init__(self, config: Config, observers: Observers, *, engine: Engine | None = None) -> None:
        self._config = config
        self._observers = observers
        self._data_dir = os.path.abspath(config.data_dir)
        self._engine = LocalEngine() if engine is None else engine
        # what a keeper makes it notes itself
        local = isinstance(self._engine, LocalEngine)
        self._ledger = Ledger.open(Path(self._data_dir), self._engine.instance) if local else Ledger(Path())
        self._watches = FileWatch()
        self._bridge = Bridge()
        self._slots = itertools.count()
        #: by id, in the order of registration; copied on write, so that looking takes no lock
        self.processes: Mapping[str, ManagedProcess] = {}

    def manage(self, config: ProcessConfig, *, templated: bool) -> ManagedProcess:
        """Return a process that is supervised, and not started yet."""
        spec = _spec(config, templated)
        past = self._engine.past(config.id)
        process = ManagedProcess(config, Surroundings(
            engine=self._engine,
            past=past,
            prepare=partial(self._prepare, config, templated),
            published=partial(self._published, spec),
            spawned=partial(self._spawned, next(self._slots), config.id),
            watch=partial(self._watch, config),
        ), spec=spec, first=_first(config, past, spec))
        self._bridge.follow(process.journal)
        self.processes = {**self.processes, config.id: process}
        return process

    def manage_all(self, configs: Iterable[tuple[ProcessConfig, bool]]) -> Sequence[ManagedProcess]:
        """Manage each of *configs*, whether templated or not, or nothing at all."""
        try:
            return [self.manage(config, templated=templated) for config, templated in configs]
        except BaseException:
            for process in self.processes.values():  # so that they end, and give back what they hold
                process.begin(idle=True)
            self.stop(None)
            raise

    def is_same(self, config: ProcessConfig, *, templated: bool) -> bool:
        """Whether there is a process that is configured just like this."""
        known = self.processes.get(config.id)
        return known is not None and known.spec == _spec(config, templated)

    def take_over(self) -> None:
        """End what an earlier owner left and nobody wants; wait until the rest is in our hands."""
        for id in self._engine.strays():
            logger.info("process %r is configured no longer, and ended", id)
            stray = self.manage(ProcessConfig(id=id, command=id), templated=False)
            stray.ask(Stop(), last=True, wake=False)
            stray.begin()
            self.forget(id)
        for process in self.processes.values():
            with suppress(WaitTimeout):
                process.wait_for(_is_in_hand, _PATIENCE)

    def hand_over(self) -> None:
        """Let go of every process; they go on, and somebody else is to supervise them."""
        processes = [process for process in self.processes.values() if process.supervised]
        for process in processes:
            process.leave()
        for process in processes:
            process.join(1.0)
        self._close(abandon=False)

    def forget(self, id: str) -> None:
        """Let go of process *id*, which is supervised no longer."""
        processes = dict(self.processes)
        processes.pop(id, None)
        self.processes = processes
        self._bridge.forget_closed()

    def stop(self, deadline: float | None) -> dict[str, tuple[str, ...]]:
        """End all side by side until the monotonic *deadline*, then close; return what survived, by id.

        :raises WaitTimeout: the time is over, and everything goes on as asked.
        """
        processes = [process for process in self.processes.values() if process.supervised]
        with _taking_turns():
            asked = [(process, process.ask(Stop(), last=True, wake=False)) for process in processes]
            self._engine.wake_all()
            survivors = _survivors(asked, deadline)
        for process in processes:
            if process.config.id not in survivors:
                process.join(1.0)
        self._close(abandon=bool(survivors))
        return survivors

    def _close(self, *, abandon: bool) -> None:
        self._watches.close()
        self._bridge.close()
        if abandon:  # whoever starts next finds a note of what could not be ended
            self._ledger.abandon()
        else:
            self._ledger.close()

    # -- called by the supervisors --------------------------------------------
    def _prepare(self, config: ProcessConfig, templated: bool, run: int) -> Prepared:
        return prepare(
            config, templated=templated, host=os.environ, port=self._config.port, data_dir=self._data_dir,
            instance=self._engine.instance, run=run,
        )

    def _published(self, spec: str, status: Status, entered: bool) -> None:
        if entered:
            self._engine.remember(status, spec)
            self._observers.publish(status.status.value, status)

    def _spawned(self, slot: int, process_id: str, child: Child | None) -> None:
        if child is None:
            self._ledger.clear(slot)
        else:
            self._ledger.record(slot, process_id, child.pid, child.create_time)

    def _watch(self, config: ProcessConfig, notify: Callable[[str], None]) -> Watch | None:
        dev_mode = self._config.dev if config.dev_mode is None else config.dev_mode
        if not dev_mode:
            return None
        roots = [Path(config.cwd, path) for path in config.watch_paths] or [Path(config.cwd)]
        ignore = (*config.watch_ignore, *pocketbase_files(Path(self._data_dir)))
        return self._watches.watch(roots, ignore, notify)


def _is_in_hand(status: Status) -> bool:
    return status.pid is not None or status.status is not State.STARTING


def _spec(config: ProcessConfig, templated: bool) -> str:
    """Return what tells whether two owners mean the same by an id; nobody can tell a secret from it."""
    values = {name: getattr(config, name) for name in KEYS} | {"env": sorted(config.env.items())}
    return hashlib.sha256(repr((values, templated)).encode("utf-8", "surrogatepass")).hexdigest()


def _first(config: ProcessConfig, past: Past | None, spec: str) -> Start | Restart | Stop | None:
    """Return what is asked first of a process that an earlier owner may have left."""
    start = Start() if config.autostart else None
    if past is None:
        return start
    if past.state is State.STOPPING:
        return Stop()
    if past.pid is not None:
        return None if past.spec == spec else Restart()
    if past.state is State.CRASHED:
        return Start()
    return None if past.spec == spec else start


def _survivors(
    asked: Iterable[tuple[ManagedProcess, Ticket]], deadline: float | None
) -> dict[str, tuple[str, ...]]:
    """Wait until all are gone; return what is not."""
    survivors: dict[str, tuple[str, ...]] = {}
    for process, ticket in asked:
        try:
            process.wait_answered(ticket, None if deadline is None else max(0.0, deadline - time.monotonic()))
        except StopFailed as error:
            survivors[process.config.id] = error.survivors
    return survivors


@contextmanager
def _taking_turns() -> Iterator[None]:
    if not _turns.acquire(blocking=False):  # another manager sees to it, and puts it back
        yield
        return
    interval = sys.getswitchinterval()
    sys.setswitchinterval(max(interval, _SWITCH_INTERVAL))
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
        _turns.release()
