"""PocketBase as one of the processes, the first: it starts before all others and ends after them."""
from __future__ import annotations

import dataclasses
import logging
import os
import re
import signal
import threading
from collections.abc import Callable
from contextlib import suppress

from ..child import TreeChild
from ..config import ProcessConfig
from ..engine import Launch
from ..errors import AlreadyRunning, NotStarted, Overruled
from ..events import Event
from ..journal import Journal
from ..local import LocalEngine
from ..manager import Manager
from ..masking import mask_text
from ..states import ALIVE, State, Status
from ..wsgi.answer import Refused
from .link import InstallLink
from .serving import Serving

logger = logging.getLogger(__name__)

#: the id of PocketBase among the processes
POCKETBASE = "pocketbase"
#: tells its hook that the manager is not its own to begin and to end
SUPERVISED = "PROCESSMAN_SUPERVISED"
#: seconds between two looks whether it serves by now, and until it is said that it still does not
_LOOK = 0.05
_LONG = 10.0
#: seconds that subscribers may take to be told of the last end
_TELL = 1.0
#: how the line begins by which PocketBase says why it ends
_REASON = re.compile(r"panic: |\d{4}/\d\d/\d\d \d\d:\d\d:\d\d ")


class Leader(Manager):
    """The manager whose API has PocketBase among its processes, which ends with the whole and never alone."""

    def stop_process(self, id: str, *, wait: bool = True, timeout: float | None = None) -> None:
        """Stop process *id*.

        :raises Refused: it is PocketBase: through its own API nobody could bring it back.
        """
        if id == POCKETBASE:
            raise Refused(409, "PocketBase is the first process here: end `processman pocketbase run` instead.")
        super().stop_process(id, wait=wait, timeout=timeout)


class Engine(LocalEngine):
    """Spawns here. PocketBase learns that we are there, and the link that it prints is kept nowhere."""

    def __init__(self) -> None:
        super().__init__()
        self.link = InstallLink()

    def keep(self, journal: Journal, *, past: bool) -> None:
        """Take the link out of PocketBase's output before it is kept."""
        if journal.process_id == POCKETBASE:
            journal.hide = self.link.hide
        super().keep(journal, past=past)

    def spawn(self, launch: Launch, journal: Journal) -> TreeChild:
        """Start a process."""
        if launch.id == POCKETBASE:
            launch = dataclasses.replace(launch, env={**launch.env, SUPERVISED: "1"})
        return super().spawn(launch, journal)


class First:
    """PocketBase, the first of the processes of *manager*, which begins nothing by itself.

    :param farewell: called when all others have ended, while PocketBase still serves.
    """

    def __init__(self, manager: Manager, serving: Serving, *, farewell: Callable[[], object] = bool) -> None:
        self._manager = manager
        self._serving = serving
        self._farewell = farewell
        #: why all of it has to end, if it has to
        self.failure = ""
        #: which is wrong until somebody changes it
        self.misconfigured = False
        self._over = threading.Event()
        self._told = threading.Condition(threading.Lock())
        #: the ids of those that run, as far as it has been told
        self._running: set[str] = set()
        #: whether it has ever served
        self.serves = False
        self._waiting = threading.Thread(target=self._begin_the_others, name="processman-first", daemon=True)
        manager.register(ProcessConfig(
            id=POCKETBASE, command=serving.argv[0], args=serving.argv[1:], dev_mode=False,
        ))

    def begin(self) -> None:
        """Start PocketBase and return; the others follow once it serves."""
        if self._serving.is_open():  # else whoever is there would be taken for it
            self._end(f"something else listens at {self._serving.at} already", misconfigured=True)
            return
        self._manager.start_process(POCKETBASE, wait=False)
        self._waiting.start()

    def stop(self) -> None:
        """End all but PocketBase, and then PocketBase."""
        self._over.set()
        if self._waiting.ident is not None:
            self._waiting.join()
        others = [id for id in self._manager.ids if id != POCKETBASE]
        with suppress(NotStarted):
            for id in others:
                self._manager.stop_process(id, wait=False)
        for id in others:
            with suppress(Overruled, NotStarted):  # a second signal has ended it already
                self._manager.wait_for(id, _is_over)
        with self._told:  # so that PocketBase, too, has been told of it
            self._told.wait_for(lambda: self._running <= {POCKETBASE}, _TELL)
        self._farewell()
        self._manager.stop()

    def _begin_the_others(self) -> None:
        waited = 0.0
        while not self._over.wait(_LOOK):
            if self._manager.status(POCKETBASE).status is State.RUNNING and self._serving.is_healthy():
                self.serves = True
                break
            waited += _LOOK
            if waited - _LOOK < _LONG <= waited:
                logger.warning("PocketBase does not answer at %s yet; everything else waits", self._serving.at)
        for status in self._manager.list():
            if status.id != POCKETBASE and status.config.autostart and not self._over.is_set():
                with suppress(AlreadyRunning):
                    self._manager.start_process(status.id, wait=False)

    def hear(self, event: Event) -> bool:
        """Tell whether all of it has to end for *event*. Called by the thread of the manager that tells of them."""
        status = event.status
        with self._told:
            (self._running.add if event.kind in ALIVE else self._running.discard)(event.process_id)
            self._told.notify_all()
        if event.process_id != POCKETBASE or self._over.is_set():
            return False
        # what ends by itself before it has ever served is mended by no retry
        wrong = event.kind == State.CRASHED and not self.serves and status.exit_code is not None
        if wrong or event.kind == State.FAILED:
            misconfigured = not self.serves and not status.signal
            self._end(f"{status.last_error}{self._said(status)}", misconfigured=misconfigured)
            return True
        return False

    def _said(self, status: Status) -> str:
        """Return what PocketBase said at its end."""
        lines = [line.content for line in self._manager.logs(POCKETBASE, 1000)
                 if line.stream == "stderr" and line.run == status.run]
        reason = next(filter(_REASON.match, reversed(lines)), lines[-1] if lines else "")
        return f": {mask_text(_REASON.sub('', reason, count=1))}" if reason else ""

    def _end(self, why: str, *, misconfigured: bool) -> None:
        self.failure, self.misconfigured = why, misconfigured
        self._over.set()
        os.kill(os.getpid(), signal.SIGTERM)  # ends as if somebody had asked for it


def _is_over(status: Status) -> bool:
    return status.status not in ALIVE or bool(status.escaped)
