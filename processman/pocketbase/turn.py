"""The lock of a data directory, by which one manager leads for its PocketBase, and at most one waits to."""
from __future__ import annotations

import json
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .. import hosts, private
from ..table import find
from .control import HOOK

logger = logging.getLogger(__name__)

#: seconds between two looks at the lock
_LOOK = 0.1
#: seconds that an answer may take, and after which one that gives none is taken for frozen, and killed
_TIMEOUT, _SILENCE = 5.0, 20.0


def take_turn(home: Path, pid: int, settings: Sequence[object]) -> int | None:
    """Wait for the turn to lead for PocketBase *pid*; return the lock, which is held until its file is closed.

    Who leads for *pid* with other *settings* is told to leave, and who is frozen is killed: what runs goes on.

    :return: ``None`` when nobody is needed: somebody does it already or waits to, or PocketBase is over.
    """
    lock, queue = (private.open_file(home / name, os.O_RDWR | os.O_CREAT) for name in ("lock", "queue"))
    holder = Holder(home)
    with closing(os.fdopen(queue)):
        # a PocketBase that has had everything ended may live on for a second
        if private.lock(queue) and _wait(lock, holder, pid, list(settings)) and not holder.has_ended(pid):
            return lock
    os.close(lock)
    return None


def end_for(home: Path, pid: int) -> None:
    """Note that PocketBase *pid* is ending: nobody is to lead for it any more."""
    private.write(home / "state.json", json.dumps({"ended": _identity(pid)}))


def _identity(pid: int) -> list[object]:
    """Return what tells *pid* from a later process with that number, which a container gives to each."""
    entry = find(pid)
    return [pid, entry and entry.start]


def _wait(lock: int, holder: Holder, pid: int, settings: list[object]) -> bool:
    told, heard = False, time.monotonic()
    while not private.lock(lock):
        about = holder.ask("GET", HOOK)
        if about is not None:
            heard = time.monotonic()
        elif time.monotonic() > heard + _SILENCE:
            holder.kill(lock)
        if about and about.get("host") == pid:
            if about.get("settings") == settings:
                return False
            if not told:
                told = holder.ask("POST", f"{HOOK}/leave") is not None
        if hosts.wait_for_end(pid, _LOOK):
            return False
    return True


@contextmanager
def locked(home: Path) -> Iterator[bool]:
    """Hold the turn meanwhile, if it can be had in a few seconds; yield whether it could."""
    fd = private.open_file(home / "lock", os.O_RDWR | os.O_CREAT)
    deadline, pause = time.monotonic() + _TIMEOUT, threading.Event()
    try:
        while not (free := private.lock(fd)) and time.monotonic() < deadline:
            pause.wait(_LOOK)
        yield free
    finally:
        os.close(fd)


class Holder:
    """Who has the turn, as far as it tells."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def state(self) -> dict[str, Any]:
        """Return what it says of itself; nothing while it is just starting, or there is none."""
        state = self._read()
        return state if "address" in state else {}

    def has_ended(self, pid: int) -> bool:
        """Whether PocketBase *pid* is over, or was the last that had everything ended."""
        return not hosts.lives(pid) or self._read().get("ended") == _identity(pid)

    def _read(self) -> dict[str, Any]:
        with suppress(OSError, ValueError):
            state = json.loads(private.read(self._home / "state.json"))
            return state if isinstance(state, dict) else {}
        return {}

    @property
    def error(self) -> str:
        """What kept the last one from leading."""
        return str(self._read().get("error", ""))

    @property
    def told(self) -> object:
        """Which PocketBase, by its pid, was told which error."""
        return self._read().get("told")

    @property
    def patience(self) -> float:
        """Seconds that it may take to end everything."""
        return float(self.state().get("patience", _TIMEOUT))

    def ask(self, method: str, path: str, *, timeout: float = _TIMEOUT) -> dict[str, Any] | None:
        """Return its answer, empty where it is no answer to a hook; ``None`` when it does not answer."""
        state = self.state()
        if not state:
            return {}
        try:
            token = Path(state["tokenFile"]).read_text("utf-8").strip()
            with closing(HTTPConnection(urlsplit(state["address"]).netloc, timeout=timeout)) as connection:
                connection.request(method, path, headers={"Authorization": f"Bearer {token}"})
                answer = connection.getresponse()
                text = answer.read(1 << 16)
            found = json.loads(text) if answer.status == 200 else {}
        except ValueError:
            return {}
        except (OSError, LookupError, HTTPException):
            return None
        return found if isinstance(found, dict) else {}

    def kill(self, lock: int) -> None:
        """Kill it, where the system says that it is who holds the *lock*."""
        pid, inode = self.state().get("pid"), os.fstat(lock).st_ino
        with suppress(OSError):
            for line in Path("/proc/locks").read_text().splitlines():
                words = line.split()
                if words[1] == "FLOCK" and words[4] == str(pid) and words[5].endswith(f":{inode}"):
                    logger.warning("the manager, pid %s, does not answer and is killed; its processes go on", pid)
                    os.kill(int(words[4]), signal.SIGKILL)
