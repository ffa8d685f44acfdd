"""The newest lines of one process in memory that outlives us: who leads next has them, however we end.

The memory is a file: two halves, which are filled by turns, and behind them three counts and an epoch. A record is
there once its length is, which is written last; so what a kill cuts short is not.
"""
from __future__ import annotations

import logging
import mmap
import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from . import private

logger = logging.getLogger(__name__)

_HALF = 1 << 17
_SIZE = 2 * _HALF
#: the fields of a record, and last the length of the data that follows; no record does where that is 0
_HEAD = struct.Struct("=QQIdI??I")
_LENGTH = struct.Struct("=I")
_LAST = _HEAD.size - _LENGTH.size
_COUNTS = struct.Struct("=QQQ")
#: what the numbers belong to, behind the counts
_EPOCH = struct.Struct("=8s")


class Record(NamedTuple):
    """Some lines of one stream, read at once: numbered among all lines and among those of the stream."""

    seq: int
    nth: int
    run: int
    time: float
    lines: int
    is_error: bool
    partial: bool
    data: bytes


class Spool:
    """Where the journal of one process writes, under its lock. The file comes with the first line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._memory: mmap.mmap | None = None
        self._end = self._limit = 0
        #: whether what is appended may follow, or nothing will be written any more
        self.begun = False

    def read(self) -> tuple[list[Record], tuple[int, int, int], str]:
        """Return what an earlier owner wrote, in the order of its lines, what it counted, and its epoch."""
        with suppress(OSError, struct.error):
            data = self._path.read_bytes()
            found = [record for start in (0, _HALF) for record in _records(data[start:start + _HALF])]
            [epoch] = _EPOCH.unpack_from(data, _SIZE + _COUNTS.size)
            return sorted(found), _COUNTS.unpack_from(data, _SIZE), epoch.hex()
        return [], (0, 0, 0), ""

    def begin(self, epoch: str) -> None:
        """Begin anew: what an earlier owner wrote is forgotten. *epoch* is what the numbers belong to."""
        self.begun = True
        try:
            self._memory = self._make(bytes.fromhex(epoch))
        except OSError as error:  # no room: what is in memory goes on
            logger.warning("cannot keep lines for the next owner: %s: %s", self._path, error.strerror)

    def append(
        self, seq: int, nth: int, run: int, time: float, lines: int, is_error: bool, partial: bool, data: bytes
    ) -> None:
        """Add what :class:`Record` names."""
        memory = self._memory
        if memory is None:
            return
        start, length = self._end + _HEAD.size, len(data)
        if start + length > self._limit - _HEAD.size:
            self._end = 0 if self._limit == _SIZE else self._limit
            self._limit = self._end + _HALF
            _LENGTH.pack_into(memory, self._end + _LAST, 0)
            start = self._end + _HEAD.size
        end = start + length
        _LENGTH.pack_into(memory, end + _LAST, 0)
        memory[start:end] = data
        _HEAD.pack_into(memory, self._end, seq, nth, run, time, lines, is_error, partial, length)
        self._end = end

    def count(self, all: int, stdout: int, stderr: int) -> None:
        """Note how many lines there were so far, appended or not."""
        if self._memory is not None:
            _COUNTS.pack_into(self._memory, _SIZE, all, stdout, stderr)

    def close(self) -> None:
        """Write no more; what is written stays until the keeper ends."""
        self.begun = True
        if self._memory is not None:
            self._memory.close()
            self._memory = None

    def remove(self) -> None:
        """Forget what was written: the process is removed."""
        self._path.unlink(missing_ok=True)

    def _make(self, epoch: bytes) -> mmap.mmap:
        new = self._path.with_name(f"{self._path.name}.new")
        new.unlink(missing_ok=True)
        fd = private.open_file(new, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        try:
            # now: a store that finds no room would be the end of us
            os.write(fd, bytes(_SIZE + _COUNTS.size) + epoch)
            memory = mmap.mmap(fd, 0)
        finally:
            os.close(fd)
        new.rename(self._path)
        return memory


def _records(half: bytes) -> Iterator[Record]:
    at = 0
    while at <= len(half) - _HEAD.size:
        *fields, length = _HEAD.unpack_from(half, at)
        start, at = at + _HEAD.size, at + _HEAD.size + length
        if not length or at > len(half):
            return
        yield Record._make((*fields, half[start:at]))
