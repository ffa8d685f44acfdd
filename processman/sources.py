"""Where news of files comes from: watchdog, in the form that fits each system."""
from __future__ import annotations

import ctypes
import errno
import os
import queue
import select
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from .roots import Seen
from .wake import Wake

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent
    from watchdog.observers.api import BaseObserver

#: milliseconds between two looks: a child that writes a file without pause must not keep us busy
_PACE = 50
#: the words of the system for these ("no space left on device") mislead
_LIMITS = {
    errno.ENOSPC: "the limit fs.inotify.max_user_watches is reached",
    errno.EMFILE: "the limit fs.inotify.max_user_instances is reached",
}
#: what watchdog tells, in the words of :class:`Seen`; that a file was read is nothing
_KINDS = {"created": "created", "moved": "moved", "deleted": "moved", "modified": "modified", "closed": "modified"}


class Inotify:
    """On Linux: the inotify calls of watchdog. Used by one thread, but for :meth:`wake` and :meth:`alive`.

    Its observer would take three threads, three descriptors and a watch in every ignored directory for each
    root. Its ``Inotify`` tells nothing of lost events and refused directories, and fails at the last event of
    a watch that it was told to remove.
    """

    #: whether it can watch a whole tree; else it is told every directory
    recursive = False

    def __init__(self) -> None:
        from watchdog.observers import inotify_c as calls

        self._calls, bits = calls, calls.InotifyConstants
        self._content = bits.IN_MODIFY | bits.IN_ATTRIB | bits.IN_CLOSE_WRITE
        self._mask = self._content | bits.IN_MOVE | bits.IN_CREATE | bits.IN_DELETE
        self._mask |= bits.IN_DELETE_SELF | bits.IN_MOVE_SELF | bits.IN_ONLYDIR
        self._paths: dict[int, str] = {}
        self._wake = Wake()  # first: if it works, EMFILE below is not the limit of open files
        try:
            self._fd = _checked(calls.inotify_init())
        except OSError:
            self._wake.close()
            raise
        os.set_inheritable(self._fd, False)
        os.set_blocking(self._fd, False)
        self._pause, self._news = select.poll(), select.poll()
        self._news.register(self._fd, select.POLLIN)
        for poll in (self._pause, self._news):
            poll.register(self._wake, select.POLLIN)

    def begin(self, path: str, tree: bool) -> int:  # noqa: ARG002  (the same for both)
        """Watch a directory, or its *tree*; return what :meth:`end` takes."""
        wd = _checked(self._calls.inotify_add_watch(self._fd, os.fsencode(path), self._mask))
        self._paths[wd] = path
        return wd

    def end(self, watch: int) -> None:
        """Watch a directory no longer, be it there or gone, and its watch with it."""
        self._paths.pop(watch, None)
        self._calls.inotify_rm_watch(self._fd, watch)

    def wait(self, timeout: float | None) -> list[Seen]:
        """Return what happened, after *timeout* seconds or a :meth:`wake` perhaps nothing."""
        self._pause.poll(_PACE)
        self._news.poll(None if timeout is None else timeout * 1000)
        self._wake.clear()
        try:
            return list(self._parse(os.read(self._fd, 1 << 18)))
        except BlockingIOError:
            return []

    def _parse(self, data: bytes) -> Iterator[Seen]:
        bits = self._calls.InotifyConstants
        for wd, mask, _, name in self._calls.Inotify._parse_event_buffer(data):  # noqa: SLF001
            kind = "modified" if mask & self._content else "created" if mask & bits.IN_CREATE else "moved"
            if mask & bits.IN_Q_OVERFLOW:
                yield Seen("", True, "moved")
            elif wd in self._paths:
                path = os.path.join(self._paths[wd], os.fsdecode(name)) if name else self._paths[wd]
                yield Seen(path, not name or bool(mask & bits.IN_ISDIR), kind)

    def wake(self) -> None:
        """End the current or next :meth:`wait`."""
        self._wake.set()

    def alive(self) -> bool:
        """Return whether events can come."""
        return True

    def close(self) -> None:
        """Give everything back to the system."""
        os.close(self._fd)
        self._wake.close()


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, _LIMITS.get(number) or os.strerror(number))
    return result


class Observed:
    """On macOS and Windows, which watch whole trees: an observer of watchdog. Methods as in :class:`Inotify`."""

    recursive = True

    def __init__(self, observer: BaseObserver | None = None) -> None:
        from watchdog.events import FileSystemEventHandler
        from watchdog.observers import Observer

        self._events: queue.SimpleQueue[FileSystemEvent | None] = queue.SimpleQueue()
        self._handler = FileSystemEventHandler()
        # all that happens in the observer's thread: an exception would end it
        self._handler.dispatch = self._events.put  # type: ignore[assignment, method-assign]
        self._observer = observer or Observer()
        self._observer.start()

    def begin(self, path: str, tree: bool) -> Any:
        return self._observer.schedule(self._handler, path, recursive=tree)

    def end(self, watch: Any) -> None:
        self._observer.unschedule(watch)

    def wait(self, timeout: float | None) -> list[Seen]:
        events = []
        with suppress(queue.Empty):
            events.append(self._events.get(timeout=timeout))
            while True:
                events.append(self._events.get_nowait())
        return [seen for event in events for seen in _seen(event)]

    def wake(self) -> None:
        self._events.put(None)

    def alive(self) -> bool:
        return self._observer.is_alive() and all(each.is_alive() for each in tuple(self._observer.emitters))

    def close(self) -> None:
        self._observer.stop()
        self._observer.join()


def _seen(event: FileSystemEvent | None) -> Iterator[Seen]:
    if event is not None and event.event_type in _KINDS:
        for path in filter(None, (event.src_path, getattr(event, "dest_path", ""))):
            yield Seen(os.fsdecode(path), event.is_directory, _KINDS[event.event_type])


Source = Inotify | Observed
of_the_system: type[Source] = Inotify if sys.platform == "linux" else Observed
