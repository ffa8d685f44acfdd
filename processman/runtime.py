"""What a started manager works with: its processes, and the engine, ledger, file watch and bridge they share."""
from __future__ import annotations

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

from .bridge import Bridge, LineBridge
from .config import Config, ProcessConfig
from .configured import Configured
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
from .states import ALIVE, Exit, State, Status
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


def configurations(config: Config, registered: Iterable[ProcessConfig]) -> Sequence[Configured]:
    """Return what is *registered* and what the file holds.

    :raises ConfigError: the file is wrong.
    :raises DuplicateProcess: an id is in both.
    """
    from .loader import load  # reads JSON, which importing us should not take time for

    found = {process.id: Configured(process) for process in registered}
    if config.config_file is not None:
        data_dir = Path(config.data_dir).absolute()
        for process in load(data_dir / config.config_file, data_dir=data_dir):
            if process.id in found:
                raise DuplicateProcess(process.id)
            found[process.id] = Configured(process, templated=True)
    return tuple(found.values())


class Runtime:
    """One life of a manager, from a start to a stop. After that it is only looked at."""

    def __init__(
        self, config: Config, observers: Observers, *, engine: Engine | None = None,
        bridge: LineBridge | None = None,
    ) -> None:
        self._config = config
        self._observers = observers
        self._data_dir = os.path.abspath(config.data_dir)
        self._engine = LocalEngine() if engine is None else engine
        # what a keeper makes it notes itself
        local = isinstance(self._engine, LocalEngine)
        self._ledger = Ledger.open(Path(self._data_dir), self._engine.instance) if local else Ledger(Path())
        self._watches = FileWatch()
        self._bridge: LineBridge = Bridge() if bridge is None else bridge
        self._slots = itertools.count()
        self._ending = False
        #: by id, in the order of registration; copied on write, so that looking takes no lock
        self.processes: Mapping[str, ManagedProcess] = {}
        #: what an earlier owner left and no host brings along, on its way to its end
        self._dismissed: list[ManagedProcess] = []

    def manage(self, configured: Configured) -> ManagedProcess:
        """Return a process that is supervised, and not started yet."""
        return self._add(configured, self._engine.past(configured.config.id))

    def let_go(self, id: str) -> None:
        """End the supervision of process *id*, which goes on, so that it can be replaced."""
        process = self.processes[id]
        process.leave()
        process.join(_PATIENCE)

    def replace(self, configured: Configured) -> ManagedProcess:
        """Return a process that is configured otherwise and goes on where the one before was let go of."""
        return self._add(configured, _past(self.processes[configured.config.id]))

    def _add(self, configured: Configured, past: Past | None) -> ManagedProcess:
        process = self._make(configured, past)
        self.processes = {**self.processes, configured.config.id: process}
        return process

    def _make(self, configured: Configured, past: Past | None) -> ManagedProcess:
        config = configured.config
        process = ManagedProcess(configured, Surroundings(
            engine=self._engine,
            past=past,
            prepare=partial(self._prepare, configured),
            published=partial(self._published, configured),
            spawned=partial(self._spawned, next(self._slots), config.id),
            watch=partial(self._watch, config),
        ), first=_first(configured, past))
        self._engine.keep(process.journal, past=past is not None)
        self._bridge.follow(process.journal)
        return process

    def manage_all(self, configs: Iterable[Configured]) -> Sequence[ManagedProcess]:
        """Manage each of *configs* that nobody has removed, or nothing at all."""
        try:
            return [self.manage(configured) for configured in configs if not self._engine.removed(configured)]
        except BaseException:
            for process in self.processes.values():  # so that they end, and give back what they hold
                process.begin(idle=True)
            self.hand_over()
            raise

    def is_same(self, configured: Configured) -> bool:
        """Whether there is a process that is configured just like this."""
        known = self.processes.get(configured.config.id)
        return known is not None and known.configured.spec == configured.spec

    def take_over(self, *, all: bool) -> Sequence[ManagedProcess]:
        """Manage what an earlier owner left and no host brings along, *all* or what lasts of it; end the rest."""
        left = self._engine.left()
        for configured in left:
            if not (all or configured.lasting):
                self._dismiss(configured)
        return [self.manage(configured) for configured in left if all or configured.lasting]

    def _dismiss(self, configured: Configured) -> None:
        logger.info("process %r is configured no longer, and ended", configured.config.id)
        process = self._make(configured, self._engine.past(configured.config.id))
        self._dismissed.append(process)
        process.ask(Stop(), last=True, wake=False)
        process.begin(idle=True)

    def wait_for_all(self) -> None:
        """Wait until what an earlier owner left running is in our hands."""
        deadline = time.monotonic() + _PATIENCE
        for process in self.processes.values():
            with suppress(WaitTimeout):
                process.wait_for(_is_in_hand, max(0.0, deadline - time.monotonic()))

    def hand_over(self) -> None:
        """Let go of every process; they go on, and somebody else is to supervise them."""
        processes = self._supervised()
        for process in processes:
            process.leave()
        for process in processes:
            process.join(1.0)
        self._close(abandon=False)

    def forget(self, id: str) -> None:
        """Let go of process *id*, which is removed and supervised no longer."""
        process = self.processes.get(id)
        if process is not None:
            self._engine.forget(process.configured)
        self._let_go(id)

    def was_removed(self, configured: Configured) -> bool:
        """Whether somebody has removed just this."""
        return self._engine.removed(configured)

    def _let_go(self, id: str) -> None:
        processes = dict(self.processes)
        processes.pop(id, None)
        self.processes = processes
        self._bridge.forget_closed()

    def stop(self, deadline: float | None) -> dict[str, tuple[str, ...]]:
        """End all side by side until the monotonic *deadline*, then close; return what survived, by id.

        :raises WaitTimeout: the time is over, and everything goes on as asked.
        """
        self._ending = True
        processes = self._supervised()
        with _taking_turns():
            asked = [(process, process.ask(Stop(), last=True, wake=False)) for process in processes]
            self._engine.wake_all()
            survivors = _survivors(asked, deadline)
        for process in processes:
            if process.config.id not in survivors:
                process.join(1.0)
        self._close(abandon=bool(survivors))
        return survivors

    def _supervised(self) -> Sequence[ManagedProcess]:
        return [process for process in (*self.processes.values(), *self._dismissed) if process.supervised]

    def _close(self, *, abandon: bool) -> None:
        self._watches.close()
        self._bridge.close()
        if abandon:  # whoever starts next finds a note of what could not be ended
            self._ledger.abandon()
        else:
            self._ledger.close()

    # -- called by the supervisors --------------------------------------------
    def _prepare(self, configured: Configured, run: int) -> Prepared:
        return prepare(
            configured.config, templated=configured.templated, host=os.environ, port=self._config.port,
            data_dir=self._data_dir, instance=self._engine.instance, run=run,
        )

    def _published(self, configured: Configured, status: Status, entered: bool) -> None:
        if (entered or status.then) and not self._ending:  # whom we end the next host starts
            self._engine.remember(status, configured)
            if status.id not in self.processes and status.status not in ALIVE:
                self._engine.dismiss(status.id)
        if entered:
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


def _past(process: ManagedProcess) -> Past:
    """Return where *process* is left by who supervised it here."""
    status = process.status
    state = status.status
    if state in ALIVE:
        lives = State.STOPPING if state is State.STOPPING else State.RUNNING
        state = State.CRASHED if status.pid is None else lives
    return Past(
        state=state, run=status.run, last_error=status.last_error, pid=status.pid,
        exit=Exit(code=status.exit_code, signal=status.signal), spec=process.configured.spec,
        start_time=status.start_time, then=status.then,
    )


def _first(configured: Configured, past: Past | None) -> Start | Restart | Stop | None:
    """Return what is asked first of a process that an earlier owner may have left."""
    start = Start() if configured.config.autostart else None
    if past is None:
        return start
    same = past.spec == configured.spec
    if past.state is State.STOPPING:
        return {"again": Restart(), "retry": None}.get(past.then, Stop())
    if past.pid is not None:
        return None if same else Restart()
    if past.state is State.CRASHED:
        return Start()
    return None if same else start


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
