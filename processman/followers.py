"""What the hosts that follow have configured, as the one that leads takes it in: the newest of them knows best."""
from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Container
from contextlib import AbstractContextManager

from .configured import Configured
from .managed import ManagedProcess
from .runtime import Runtime

logger = logging.getLogger(__name__)


class Followers:
    """Those of one that leads, for as long as it does.

    :param generation: how new who leads is.
    :param registry: is held while there is one process more or less.
    :param begin: begins a process that is managed.
    """

    def __init__(
        self, runtime: Runtime, generation: float, registry: AbstractContextManager[object],
        begin: Callable[[ManagedProcess], None],
    ) -> None:
        self._runtime, self._generation = runtime, generation
        self._registry, self._begin = registry, begin
        #: by id, how new the host is that configured it
        self._generations: dict[str, float] = {}
        #: held while one of them is listened to: what begins is not replaced before it has begun
        self.listening = threading.Lock()

    def __contains__(self, id: object) -> bool:
        return id in self._generations

    def forget(self, id: str) -> None:
        """Forget who configured *id*."""
        self._generations.pop(id, None)

    def merge(self, configured: Configured, generation: float) -> None:
        """Take in what a host of *generation* has configured."""
        with self.listening:
            id, runtime = configured.config.id, self._runtime
            with self._registry:
                if runtime.was_removed(configured) and not configured.lasting:
                    return
                known = id in runtime.processes
                if known and generation <= self._generations.get(id, self._generation):
                    return
                self._generations[id] = generation
                managed = None if known else runtime.manage(configured)
            if known and not runtime.is_same(configured):
                logger.info("process %r is configured otherwise by a newer host, and restarted", id)
                runtime.let_go(id)
                with self._registry:
                    managed = runtime.replace(configured)
            if managed is not None:
                self._begin(managed)

    def dismiss_others(self, ids: Container[str], generation: float) -> None:
        """End what older hosts have configured and one of *generation* has not: *ids* are all that it has."""
        with self.listening, self._registry:
            for id, process in self._runtime.processes.items():
                older = self._generations.get(id, 0.0) < generation
                if older and id not in ids and not process.configured.lasting:
                    self.forget(id)
                    self._runtime.dismiss(id)
