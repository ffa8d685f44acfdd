"""The signpost in a data directory: where its keeper is, for hosts whose environment would lead them elsewhere.

A shell has an ``XDG_RUNTIME_DIR`` that a service lacks, and a logout removes one while the keeper lives. So who
begins a keeper notes its socket and its mark here, and who begins the next one looks for the process first.
"""
from __future__ import annotations

import fcntl
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from . import private
from .errors import ProcessmanError
from .table import Snapshot, find, with_argument

logger = logging.getLogger(__name__)

#: seconds that a keeper takes to go when its socket is gone already, and to end what it holds, at most
_MOMENT, _PATIENCE = 1.0, 60.0
_LOOK = 0.05


class _Shown(NamedTuple):
    socket: Path
    #: the mark of its processes, which the keeper has among its arguments
    instance: str


class Signpost:
    """The one in *data_dir*. Where that is missing, or not ours to write to, there is none."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir

    @property
    def socket(self) -> Path | None:
        """Where the keeper that was begun last listens, if that can be seen from here and is ours alone."""
        shown = self._read()
        with suppress(OSError):
            if shown is not None and private.folder(shown.socket.parent) and shown.socket.exists():
                return shown.socket
        return None

    def show(self, socket: Path, instance: str) -> None:
        """Note where a keeper is begun."""
        with suppress(OSError):
            text = json.dumps({"socket": os.fspath(socket), "instance": instance})
            private.write(private.home(self._data_dir, make=True) / "keeper.json", text)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep others from beginning a keeper for this directory, wherever they would."""
        fd = -1
        with suppress(OSError):
            home = private.home(self._data_dir, make=True)
            fd = private.open_file(home / "keeper.lock", os.O_RDWR | os.O_CREAT)
            fcntl.flock(fd, fcntl.LOCK_EX)
        try:
            yield
        finally:
            if fd >= 0:
                with suppress(OSError):
                    fcntl.flock(fd, fcntl.LOCK_UN)  # a copy forked meanwhile would hold it on
                os.close(fd)

    def clear(self) -> None:
        """See to it that no keeper is left that nobody can reach any more.

        :raises ProcessmanError: there is one that others can reach.
        """
        shown = self._read()
        if shown is None or _is_over(shown, _MOMENT):
            return
        for pid in with_argument(shown.instance):
            if _sees(pid, shown.socket):
                raise ProcessmanError(
                    f"cannot use the keeper of {self._data_dir} (pid {pid}): its socket {shown.socket} cannot be "
                    "reached from here; give all hosts the same run_dir, or PROCESSMAN_RUN_DIR"
                )
            logger.warning("the keeper of %s (pid %d) is ended, and what it holds, and a new one is begun: its "
                           "socket %s is gone", self._data_dir, pid, shown.socket)
            _end(pid, shown)

    def _read(self) -> _Shown | None:
        with suppress(OSError, ValueError, LookupError, TypeError):
            text = private.read(private.home(self._data_dir) / "keeper.json")
            shown = json.loads(text)
            return _Shown(Path(shown["socket"]), str(shown["instance"]))
        return None


def _is_over(shown: _Shown, timeout: float) -> bool:
    deadline = time.monotonic() + timeout
    while with_argument(shown.instance):
        if time.monotonic() > deadline:
            return False
        threading.Event().wait(_LOOK)
    return True


def _sees(pid: int, path: Path) -> bool:
    """Whether *path* is there for *pid*, which may have another view of the file system."""
    try:
        os.stat(f"/proc/{pid}/root{path}" if sys.platform == "linux" else path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:  # it cannot be told: then it may not be ended
        return True
    return True


def _end(pid: int, shown: _Shown) -> None:
    """Have it end what it holds; it would stay for its hosts, which are to come to the next one."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + _PATIENCE
        while (keeper := find(pid)) is not None and time.monotonic() < deadline:
            if len(Snapshot().with_descendants([keeper])) == 1:  # but for itself nothing is left
                break
            threading.Event().wait(_LOOK)
        if pid in with_argument(shown.instance):
            os.kill(pid, signal.SIGKILL)
    _is_over(shown, _MOMENT)
