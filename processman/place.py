"""Where the keeper of a data directory is reached, and how one is begun."""
from __future__ import annotations

import errno
import fcntl
import hashlib
import logging
import os
import socket as sockets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import resources
from pathlib import Path
from typing import Any

from . import ledger, private
from .channel import Channel, connect
from .config import Config
from .errors import ProcessmanError
from .leftovers import end_leftovers
from .signpost import Signpost

logger = logging.getLogger(__name__)

#: bytes of a socket's path; one more is for its end
_LONGEST = 107
_BACKLOG = 4096
#: a pid that is as long as they get
_HIGHEST = 1 << 22


class Place:
    """The sockets of one data directory: the keeper's, and the owner's.

    :raises ProcessmanError: there is no directory for them that is ours alone.
    """

    def __init__(self, config: Config) -> None:
        self._name = hashlib.sha256(os.fsencode(os.path.realpath(config.data_dir))).hexdigest()[:12]
        self._directories = [Path(path).absolute() for path in _candidates(config)]
        self._data_dir, self._run_dir = Path(config.data_dir), config.run_dir
        self._signpost = Signpost(self._data_dir)

    @property
    def socket(self) -> Path:
        """Where the keeper listens, or will."""
        found = (path for path in self._sockets() if path.exists())
        return next(found, self._directories[0] / f"{self._name}.sock")

    def owner_socket(self, pid: int) -> Path:
        """Return where the owner with this *pid* listens."""
        return self.socket.with_name(f"{self._name}.{pid}.owner")

    def forget_owners(self) -> None:
        """Remove the sockets of owners that were killed. Who leads may, for there is no other."""
        for path in self.socket.parent.glob(f"{self._name}.*.owner"):
            path.unlink(missing_ok=True)

    def lines(self, id: str) -> Path:
        """Return where the lines of process *id* are kept for the next owner."""
        return self.socket.with_name(f"{self._name}.{id}.lines")

    def reach(self) -> sockets.socket | None:
        """Connect to the keeper that there is."""
        for path in self._sockets():
            with suppress(FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
                return connect(os.fspath(path)) if _fits(path) else None
        return None

    def ask(self, message: Mapping[str, object]) -> dict[str, Any] | None:
        """Ask the keeper that there is; ``None`` when there is none, or it ends instead of answering."""
        connection = self.reach()
        if connection is None:
            return None
        channel = Channel(connection)
        try:
            channel.send(message)
            return channel.receive()
        except OSError:
            return None
        finally:
            channel.close()

    def connect(self, instance: str, *, instead: bool = False) -> sockets.socket:
        """Connect to the keeper; where there is none, begin one that marks its processes with *instance*.

        :param instead: the one that there is has to end in order first.
        :raises ProcessmanError: that is not possible.
        """
        try:
            found = None if instead else self.reach()
            if found is not None:
                return found
            with self._locked() as directory:
                if instead:  # under the lock: those who used it shall not begin such a one again
                    self.ask({"end": True})
                return self.reach() or self._begin(directory, instance)
        except OSError as error:
            where = error.filename or self._directories[0]
            raise ProcessmanError(f"cannot begin a keeper: {where}: {error.strerror or error}") from error

    def check(self) -> None:
        """See whether a keeper could be begun, and begin none.

        :raises OSError: it could not.
        """
        directory = self._directories[0]
        self._check_length()
        if os.path.lexists(directory):
            private.folder(directory)
            return
        above = next(path for path in directory.parents if os.path.lexists(path))
        if not above.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "it is not a directory", str(above))
        if not os.access(above, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(above))

    def _check_length(self) -> None:
        path = self._directories[0] / f"{self._name}.{_HIGHEST}.owner"
        if not _fits(path):
            hint = "; set run_dir" if self._run_dir is None else ""
            raise OSError(errno.ENAMETOOLONG, f"too long for a socket (at most {_LONGEST} bytes){hint}", str(path))

    def claim_owner(self) -> int | None:
        """Return a descriptor that keeps others from leading in a process of their own; ``None``: one does."""
        with self._locked() as directory:
            fd = private.open_file(directory / f"{self._name}.owner.lock", os.O_RDWR | os.O_CREAT)
            if private.lock(fd):
                return fd
            os.close(fd)
            return None

    def begin_owner(self, config: Config) -> None:
        """Begin a process that leads for hosts that cannot; where there is one, the new one ends at once."""
        options = {
            "--dir": os.path.abspath(config.data_dir), "--config": config.config_file, "--port": config.port,
            "--linger": config.linger, "--run-dir": config.run_dir and os.path.abspath(config.run_dir),
        }
        given = [str(part) for option in options.items() if option[1] is not None for part in option]
        with _log(self.socket.with_suffix(".log")) as log:
            subprocess.Popen(
                [_python(), "-m", "processman", "owner", *given, *(["--dev"] if config.dev else [])],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, start_new_session=True,
            ).wait()  # it makes itself nobody's child at once

    def _sockets(self) -> Iterator[Path]:
        """Yield where a keeper may be, likeliest first."""
        if (shown := self._signpost.socket) is not None:
            yield shown
        for directory in self._directories:
            yield directory / f"{self._name}.sock"

    @contextmanager
    def _locked(self) -> Iterator[Path]:
        """Hold the lock of beginning a keeper."""
        directory = self._directories[0]
        try:
            directory.parent.mkdir(parents=True, exist_ok=True)
        except FileExistsError as error:
            raise NotADirectoryError(errno.ENOTDIR, "it is not a directory", error.filename) from error
        private.folder(directory, make=True)
        fd = private.open_file(directory / f"{self._name}.lock", os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            with self._signpost.locked():
                yield directory
        finally:
            fcntl.flock(fd, fcntl.LOCK_UN)  # a copy forked meanwhile would hold it on
            os.close(fd)

    def _begin(self, directory: Path, instance: str) -> sockets.socket:
        self._signpost.clear()
        self._warn_of_others()
        end_leftovers(directory)
        self._check_length()
        path = directory / f"{self._name}.sock"
        path.unlink(missing_ok=True)
        record = ledger.Ledger.open(directory, instance)
        lock = record.detach()  # goes on in the keeper; forks of ours must not close it as they do with a ledger
        with (
            sockets.socket(sockets.AF_UNIX) as listener, _log(directory / f"{self._name}.log") as log, _closed(lock)
        ):
            listener.bind(os.fspath(path))
            path.chmod(0o600)
            listener.listen(_BACKLOG)  # by us, so that there is no waiting until it listens
            self._signpost.show(path, instance)
            _run(path, instance, listener.fileno(), record.path, lock, log)
            return connect(os.fspath(path))

    def _warn_of_others(self) -> None:
        """A second manager never touches what the first one runs: so it has to be said."""
        for pid in ledger.managers(self._data_dir):
            logger.warning("process %d runs processes of %s, too (processman up, or a manager without a keeper): "
                           "what both configure runs twice", pid, self._data_dir)


@contextmanager
def _closed(fd: int) -> Iterator[None]:
    try:
        yield
    finally:
        if fd >= 0:
            os.close(fd)


def _run(path: Path, instance: str, listener: int, ledger: Path, lock: int, log: int) -> None:
    program = resources.files(__package__).joinpath("keeper.py")
    how = [os.fspath(program)] if isinstance(program, Path) else ["-c", program.read_text()]
    subprocess.Popen(
        [_python(), "-I", "-S", *how, os.fspath(path), str(listener), os.fspath(ledger), instance],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, cwd="/", start_new_session=True,
        pass_fds=[fd for fd in (listener, lock) if fd >= 0],
    ).wait()  # it makes itself nobody's child at once


def _fits(path: Path) -> bool:
    return len(os.fsencode(path)) <= _LONGEST


@contextmanager
def _log(path: Path) -> Iterator[int]:
    fd = private.open_file(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        yield fd
    finally:
        os.close(fd)


def _candidates(config: Config) -> Iterator[str]:
    """Return where sockets may lie, best first. All are looked at: a shell may have what a server lacks."""
    if config.run_dir is not None:
        yield config.run_dir
        return
    if named := os.environ.get("PROCESSMAN_RUN_DIR"):
        yield named
        return
    if (runtime := os.environ.get("XDG_RUNTIME_DIR")) and _is_ours(runtime):
        yield os.path.join(runtime, "processman")
    if os.geteuid() == 0:
        yield "/run/processman"
    yield f"/tmp/processman-{os.geteuid()}"  # noqa: S108 (refused unless it is ours alone)


def _is_ours(directory: str) -> bool:
    """Whether it is there and belongs to us: ``su`` and ``sudo -E`` leave that of another user behind."""
    try:
        return os.stat(directory).st_uid == os.geteuid()
    except OSError:
        return False


def _python() -> str:
    """Return a Python interpreter: under uWSGI ``sys.executable`` is uWSGI."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    found = (
        sys.executable if os.path.basename(sys.executable or "").startswith("python") else "",
        os.path.join(sys.exec_prefix, "bin", version),
        getattr(sys, "_base_executable", ""),
        os.path.join(sys.base_exec_prefix, "bin", version),
    )
    for path in found:
        if path and os.access(path, os.X_OK):
            return path
    raise FileNotFoundError(errno.ENOENT, "no Python interpreter is found to run it", sys.exec_prefix)
