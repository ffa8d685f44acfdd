"""What runs, on disk, so that whoever starts next can end what a killed manager left behind.

One file for each live manager, held locked by it: the lock goes with the process, however that ends.
"""
from __future__ import annotations

import functools
import logging
import os
import re
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from . import private

logger = logging.getLogger(__name__)

_SLOT = 128
_LIMIT = 1 << 20
_HEAD = re.compile(r"processman-ledger 1 ([A-Za-z0-9_-]{8,64}) ([0-9]{1,10})")
_LINE = re.compile(r"([2-9]|[1-9][0-9]{1,9}) ([0-9]{1,12}\.[0-9]{1,12}) ([A-Za-z0-9][A-Za-z0-9._-]{0,63})")
_NEW = ".new"


def _write_at(fd: int, path: Path, data: bytes, offset: int) -> None:
    if hasattr(os, "pwrite"):
        os.pwrite(fd, data, offset)
        return
    with path.open("r+b", buffering=0) as file:  # pragma: no cover (an offset of its own: Windows)
        file.seek(offset)
        file.write(data)


def _pad(text: str) -> bytes:
    return text.encode("ascii").ljust(_SLOT - 1) + b"\n"


class Ledger:
    """What one manager runs. A slot has one writer; writing neither waits nor raises."""

    def __init__(self, path: Path, fd: int = -1) -> None:
        self.path = path
        self._fd = fd

    @classmethod
    def open(cls, directory: Path, instance: str) -> Ledger:
        """Begin the file of *instance* in the data *directory*; where that is not possible, keep nothing."""
        if not directory.is_dir():
            return cls(directory)
        try:
            folder = private.folder(private.home(directory, make=True) / "ledger", make=True)
            return cls._begin(folder, instance)
        except OSError as error:
            logger.warning("cannot keep a ledger in %s: %s; if this process is killed, "
                           "the next one will not find what it ran", directory, error)  # fmt: skip
            return cls(directory)

    @classmethod
    def _begin(cls, folder: Path, instance: str) -> Ledger:
        # locked before it has its name, so that nobody takes it for a leftover
        new = folder / f"{instance}{_NEW}"
        ledger = cls(folder / instance, private.open_file(new, os.O_RDWR | os.O_CREAT | os.O_EXCL))
        try:
            private.lock(ledger._fd)
            _write_at(ledger._fd, new, _pad(f"processman-ledger 1 {instance} {os.getpid()}"), 0)
            new.rename(ledger.path)
        except OSError:
            ledger.abandon()
            new.unlink(missing_ok=True)
            raise
        _watch_forks().add(ledger)
        return ledger

    def detach(self) -> int:
        """Return the descriptor that holds the lock, which is the caller's now; -1 when nothing is kept."""
        fd, self._fd = self._fd, -1
        return fd

    def record(self, slot: int, process_id: str, pid: int, create_time: float) -> None:
        """Note that *pid*, born at *create_time*, runs in *slot*."""
        self._write(slot, f"{pid} {float(create_time)!r} {process_id}")

    def clear(self, slot: int) -> None:
        """Note that nothing runs in *slot*."""
        self._write(slot, "")

    def _write(self, slot: int, text: str) -> None:
        if self._fd < 0:
            return
        try:
            _write_at(self._fd, self.path, _pad(text), (slot + 1) * _SLOT)
        except OSError as error:  # a full disk must not end a supervisor
            logger.warning("cannot write to the ledger %s: %s", self.path, error)

    def close(self) -> None:
        """Remove the file: nothing is left running."""
        if self._fd >= 0:
            with suppress(OSError):
                self.path.unlink()
            self.abandon()

    def abandon(self) -> None:
        """Let go of the file and leave it: whoever starts next looks after what it names."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


@functools.cache
def _watch_forks() -> weakref.WeakSet[Ledger]:
    """Return the set of ledgers of which a forked copy of this process lets go.

    Else the copy would hold their locks on, long after the manager is gone.
    """
    ledgers: weakref.WeakSet[Ledger] = weakref.WeakSet()

    def abandon() -> None:
        for ledger in ledgers:
            ledger.abandon()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=abandon)
    return ledgers


class Recorded(NamedTuple):
    """One process that a manager ran."""

    process_id: str
    pid: int
    create_time: float


class Leftover(NamedTuple):
    """What a manager that is gone was running."""

    instance: str
    #: of the manager
    pid: int
    processes: tuple[Recorded, ...]
    path: Path

    def forget(self) -> None:
        """Remove the file: nothing of it is left."""
        self.path.unlink(missing_ok=True)


@contextmanager
def leftovers(directory: Path) -> Iterator[tuple[Leftover, ...]]:
    """Find what managers that are gone have left; those that live are left alone.

    End it inside the block, while nobody else can find it, then :meth:`Leftover.forget` it: what is not
    forgotten is found again next time.
    """
    with ExitStack() as held:
        yield tuple(found for path in _paths(directory) if (found := _take(path, held)))


def managers(directory: Path) -> tuple[int, ...]:
    """Return the pids of the managers that live and run processes of the data *directory* themselves."""
    return tuple(pid for path in _paths(directory) if (pid := _holder(path)) is not None)


def _holder(path: Path) -> int | None:
    with suppress(OSError):
        fd = private.open_file(path, os.O_RDWR)
        try:
            match = _HEAD.match(os.read(fd, _SLOT).decode("ascii", "replace"))
            return int(match[2]) if match and not private.lock(fd) else None
        finally:
            os.close(fd)
    return None


def _paths(directory: Path) -> list[Path]:
    try:
        folder = private.folder(private.home(directory) / "ledger")
        return sorted(path for path in folder.iterdir() if path.suffix != _NEW)
    except FileNotFoundError:
        return []
    except OSError as error:
        logger.warning("cannot look for leftovers in %s: %s", directory, error)
        return []


def _take(path: Path, held: ExitStack) -> Leftover | None:
    try:
        fd = private.open_file(path, os.O_RDWR)
        held.callback(os.close, fd)
        return _parse(path, os.read(fd, _LIMIT)) if private.lock(fd) else None
    except OSError as error:
        logger.warning("cannot use the ledger %s: %s", path, error)
        return None


def _parse(path: Path, data: bytes) -> Leftover | None:
    # a slot that was never written is a hole of zeros
    head, *lines = (line.strip(" \0") for line in data.decode("ascii", "replace").split("\n"))
    if not (match := _HEAD.fullmatch(head)):
        logger.warning("cannot use the ledger %s: it is damaged, and removed", path)
        path.unlink(missing_ok=True)
        return None
    recorded = (m for line in lines if (m := _LINE.fullmatch(line)))
    processes = tuple(Recorded(m[3], int(m[1]), float(m[2])) for m in recorded)
    return Leftover(match[1], int(match[2]), processes, path)
