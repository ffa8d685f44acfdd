"""What Linux says about files: one inotify instance, and a watch for each directory that is asked for."""
from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import select
import struct
from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import NamedTuple


class Reach(IntEnum):
    """How much of a directory is watched."""

    #: which entries come and go
    NAMES = 1
    #: its own files, too
    FILES = 2
    #: everything below, too
    TREE = 3


class Seen(NamedTuple):
    """One event: *kind* is ``created``, ``modified``, ``moved``, ``deleted``, or ``lost``: unknown ones."""

    path: str
    directory: bool
    kind: str


_MODIFY, _ATTRIB, _CLOSE_WRITE = 0x2, 0x4, 0x8
_MOVED, _CREATE, _DELETE = 0xC0, 0x100, 0x200
_DELETE_SELF, _MOVE_SELF, _UNMOUNT, _IGNORED = 0x400, 0x800, 0x2000, 0x8000
_OVERFLOW, _ONLYDIR, _ISDIR = 0x4000, 0x0100_0000, 0x4000_0000
_NAMES = _MOVED | _CREATE | _DELETE | _DELETE_SELF | _MOVE_SELF | _ONLYDIR
_CONTENT = _MODIFY | _ATTRIB | _CLOSE_WRITE
_KINDS = (
    (_CREATE, "created"),
    (_MOVED, "moved"),
    (_DELETE | _DELETE_SELF | _MOVE_SELF | _UNMOUNT | _IGNORED, "deleted"),
    (_CONTENT, "modified"),
)
_HEADER = struct.Struct("iIII")
#: Milliseconds between two looks: a child that writes a file without pause must not keep us busy.
_PACE = 50


def _call(name: str, *arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    result: int = getattr(libc, name)(*arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def _named(error: OSError) -> OSError:
    """Say which limit it was: the words of the system ("no space left on device") mislead."""
    limits = {errno.ENOSPC: "max_user_watches", errno.EMFILE: "max_user_instances"}
    if error.errno not in limits:
        return error
    return OSError(error.errno, f"the limit fs.inotify.{limits[error.errno]} is reached")


class Inotify:
    """Used by one thread, but for :meth:`wake`."""

    #: the caller names every directory
    recursive = False

    def __init__(self) -> None:
        # first: if it works, EMFILE below is not the limit of open files
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        try:
            self._fd = _call("inotify_init1", os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            os.close(self._wake)
            raise _named(error) from error
        self._paths: dict[int, str] = {}
        self._news, self._pause = select.poll(), select.poll()
        self._news.register(self._fd, select.POLLIN)
        for poll in (self._news, self._pause):
            poll.register(self._wake, select.POLLIN)

    def arm(self, wanted: Mapping[str, Reach]) -> tuple[list[str], dict[str, OSError]]:
        """Watch exactly the directories *wanted*; return which of them are new, and which failed.

        Each is asked for again every time: the answer tells whether another directory has its name now.
        """
        for wd in [wd for wd, path in self._paths.items() if path not in wanted]:
            self._forget(wd)
        before, self._paths, errors = self._paths, {}, {}
        for path, reach in wanted.items():
            mask = _NAMES if reach is Reach.NAMES else _NAMES | _CONTENT
            try:
                self._paths[_call("inotify_add_watch", self._fd, os.fsencode(path), mask)] = path
            except OSError as error:
                errors[path] = _named(error)
        for wd in before.keys() - self._paths.keys():
            self._forget(wd)
        return [path for wd, path in self._paths.items() if wd not in before], errors

    def _forget(self, wd: int) -> None:
        self._paths.pop(wd, None)
        try:
            _call("inotify_rm_watch", self._fd, wd)
        except OSError as error:
            if error.errno != errno.EINVAL:  # the directory is gone, and its watch with it
                raise

    def wait(self, timeout: float | None) -> list[Seen]:
        """Return what happened, after *timeout* seconds or a :meth:`wake` perhaps nothing."""
        self._pause.poll(_PACE)
        self._news.poll(None if timeout is None else timeout * 1000)
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._wake)
        try:
            return list(self._parse(os.read(self._fd, 1 << 18)))
        except BlockingIOError:
            return []

    def _parse(self, data: bytes) -> Iterator[Seen]:
        at = 0
        while at < len(data):
            wd, mask, _, size = _HEADER.unpack_from(data, at)
            name = os.fsdecode(data[at + _HEADER.size : at + _HEADER.size + size].rstrip(b"\0"))
            at += _HEADER.size + size
            if mask & _OVERFLOW:
                yield Seen("", True, "lost")
            elif wd in self._paths:
                path = f"{self._paths[wd].rstrip('/')}/{name}" if name else self._paths[wd]
                kind = next(kind for bits, kind in _KINDS if mask & bits)
                yield Seen(path, not name or bool(mask & _ISDIR), kind)

    def wake(self) -> None:
        """End the current or next :meth:`wait`. Any thread."""
        os.eventfd_write(self._wake, 1)

    def alive(self) -> bool:
        """Return whether events can come."""
        return True

    def close(self) -> None:
        """Give everything back to the system."""
        os.close(self._fd)
        os.close(self._wake)
