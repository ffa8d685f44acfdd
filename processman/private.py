"""Files and directories that are ours alone, and the lock of an open file."""
from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

_POSIX = os.name == "posix"

if _POSIX:
    import fcntl

    def lock(fd: int) -> bool:
        """Take the lock of an open file; it goes when the file is closed. ``False``: it is taken."""
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
else:  # pragma: no cover
    import msvcrt

    def lock(fd: int) -> bool:
        """Take the lock of an open file; it goes when the file is closed. ``False``: it is taken."""
        os.lseek(fd, 1 << 30, os.SEEK_SET)  # far behind the text: what is locked nobody else can read
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        except OSError:
            return False
        finally:
            os.lseek(fd, 0, os.SEEK_SET)
        return True


def home(directory: Path, *, make: bool = False) -> Path:
    """Return ``.processman`` in *directory*, where processman keeps its own.

    :raises OSError: it is missing, or not a directory that is ours alone; the error says which.
    """
    return folder(directory / ".processman", make=make)


def folder(path: Path, *, make: bool = False) -> Path:
    """Return *path* if it is a real directory that is ours alone; with *make* it may be missing.

    :raises OSError: it is not; the error says why.
    """
    if make:
        with suppress(FileExistsError):
            path.mkdir(mode=0o700)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, "it is not a directory", str(path))
    if _POSIX and found.st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, "it belongs to somebody else", str(path))
    if _POSIX and found.st_mode & 0o077:
        raise PermissionError(errno.EPERM, "it is open to others (mode 0700 closes it)", str(path))
    return path


def open_file(path: Path, flags: int) -> int:
    """Open a regular file of ours, never through a link, and never waiting; a new one is closed to others.

    :raises OSError: it is something else.
    """
    fd = os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0), 0o600)
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode) or (_POSIX and found.st_uid != os.geteuid()):
        os.close(fd)
        raise PermissionError(errno.EPERM, "it is not a file of ours", str(path))
    return fd


def read(path: Path, limit: int = 65536) -> str:
    """Return the text of a file of ours."""
    fd = open_file(path, os.O_RDONLY)
    try:
        return os.read(fd, limit).decode("utf-8", "replace")
    finally:
        os.close(fd)


def write(path: Path, text: str | bytes) -> None:
    """Make or replace a file of ours as a whole: readers see the old text or the new."""
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    new.unlink(missing_ok=True)
    fd = open_file(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        left = memoryview(text.encode() if isinstance(text, str) else text)
        while left:
            left = left[os.write(fd, left):]
        new.replace(path)
    except OSError as error:  # a full disk does not say which file
        new.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        os.close(fd)
