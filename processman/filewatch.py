"""Watching files: one thread tells each :class:`Watch` which of its files changed.

What is watched follows the files: whenever a directory comes or goes, the needs of all watches are found
anew and the source is armed with exactly these. So a missing, replaced or moved root is no special case.
"""
from __future__ import annotations

import errno
import logging
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from .inotify import Inotify, Reach, Seen
from .roots import Roots

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent
    from watchdog.observers.api import BaseObserver

logger = logging.getLogger(__name__)

#: seconds that :meth:`FileWatch.watch` waits until all is armed, and :meth:`FileWatch.close` for the thread
_PATIENCE = 1.0
#: seconds after which to look for what came while arming
_SOON = 0.05
_KINDS = dict.fromkeys(("modified", "closed"), "modified") | {x: x for x in ("created", "moved", "deleted")}


class Source(Protocol):
    """Where events come from. :class:`~processman.inotify.Inotify` says what each method does."""

    recursive: bool

    def arm(self, wanted: Mapping[str, Reach]) -> tuple[list[str], dict[str, OSError]]: ...
    def wait(self, timeout: float | None) -> list[Seen]: ...
    def wake(self) -> None: ...
    def alive(self) -> bool: ...
    def close(self) -> None: ...


class Observed:
    """The source where the system watches whole trees, on macOS and Windows: a watchdog observer.

    On Linux that would take three threads, three descriptors and a watch in every ignored directory for each
    root, not see into directories that are moved in, and be silent when the limit of watches is reached.
    """

    recursive = True

    def __init__(self, observer: BaseObserver | None = None) -> None:
        from watchdog.events import FileSystemEventHandler
        from watchdog.observers import Observer

        self._events: queue.SimpleQueue[FileSystemEvent | None] = queue.SimpleQueue()
        self._watches: dict[tuple[str, bool], Any] = {}
        #: directories that may be others by now
        self._replaced: set[str] = set()
        self._handler = FileSystemEventHandler()
        # all that happens in the observer's thread: an exception would end it
        self._handler.dispatch = self._events.put  # type: ignore[assignment, method-assign]
        self._observer = observer or Observer()
        self._observer.start()

    def arm(self, wanted: Mapping[str, Reach]) -> tuple[list[str], dict[str, OSError]]:
        keys = {(path, reach is Reach.TREE) for path, reach in wanted.items()}
        dead = {each.watch.path for each in self._observer.emitters if not each.should_keep_running()}
        for key in [key for key in self._watches if key not in keys or key[0] in dead | self._replaced]:
            self._observer.unschedule(self._watches.pop(key))
        self._replaced.clear()
        fresh, errors = [], {}
        for path, recursive in keys - self._watches.keys():
            try:
                watch = self._observer.schedule(self._handler, path, recursive=recursive)
                self._watches[path, recursive] = watch
                fresh.append(path)
            except OSError as error:
                errors[path] = error
        return fresh, errors

    def wait(self, timeout: float | None) -> list[Seen]:
        events = []
        try:
            events.append(self._events.get(timeout=timeout))
            while True:
                events.append(self._events.get_nowait())
        except queue.Empty:
            news = [seen for event in events if event is not None for seen in self._seen(event)]
            self._replaced |= {seen.path for seen in news if seen.kind != "modified"}
            return news

    @staticmethod
    def _seen(event: FileSystemEvent) -> Iterator[Seen]:
        kind = _KINDS.get(event.event_type)
        if kind is not None:
            for path in filter(None, (event.src_path, getattr(event, "dest_path", ""))):
                yield Seen(os.fsdecode(path), event.is_directory, kind)

    def wake(self) -> None:
        self._events.put(None)

    def alive(self) -> bool:
        return self._observer.is_alive() and all(each.is_alive() for each in tuple(self._observer.emitters))

    def close(self) -> None:
        self._observer.stop()
        self._observer.join()


class Watch:
    """What one process watches."""

    def __init__(self, roots: Roots, notify: Callable[[str], None], owner: FileWatch) -> None:
        self.roots = roots
        self.armed = threading.Event()
        self._notify = notify
        self._owner = owner
        self._health = "on"

    @property
    def health(self) -> str:
        """``"on"`` or ``"degraded: why"``."""
        if self._health != "on" or self._owner.alive():
            return self._health
        return "degraded: the system has ended the watching"

    def close(self) -> None:
        """End it. A last call of *notify* may be under way."""
        self._owner.forget(self)

    def take(self, events: Iterable[Seen]) -> None:
        """Tell what counts: files, directories that went or came with their files, and lost events."""
        whole = ("moved", "deleted", "lost")
        paths = (seen.path for seen in events if not seen.directory or seen.kind in whole)
        for path in dict.fromkeys(paths):
            if not path or self.roots.counts(path):
                self._tell(path)

    def _tell(self, path: str) -> None:
        try:
            self._notify(path)
        except Exception:  # the fault of one listener must not end the watching for all
            logger.exception("a listener to changes of files failed")

    def judge(self, errors: Mapping[str, OSError]) -> None:
        """Take note of what cannot be watched."""
        more = f" and {len(errors) - 1} more" if len(errors) > 1 else ""
        why = [f"degraded: cannot watch {path!r}{more}: {error.strerror}" for path, error in errors.items()]
        self.set_health(next(iter(why), "on"))

    def set_health(self, health: str) -> None:
        """Log a change for the worse. The first judgement ends the waiting in :meth:`FileWatch.watch`."""
        if health not in ("on", self._health):
            logger.warning("watching files is %s", health)
        self._health = health
        self.armed.set()


class FileWatch:
    """All watches of a manager: one source and one thread, from the first :meth:`watch` to :meth:`close`."""

    def __init__(self, make: Callable[[], Source] = Inotify if sys.platform == "linux" else Observed) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._watches: tuple[Watch, ...] = ()
        self._source: Source | None = None
        self._thread = threading.Thread()

    def watch(self, roots: Sequence[Path], ignore: Sequence[str], notify: Callable[[str], None]) -> Watch:
        """Call ``notify(path)`` for each change of what is at or below *roots* and is not ignored.

        *notify* runs in the watching thread and must be quick; what it raises is logged. Its path is ``""``
        where changes were too many to be told. Returns when all is armed, or after a second.
        """
        watch = Watch(Roots(roots, ignore), notify, self)
        try:
            with self._lock:
                self._watches += (watch,)
                self._begin()
        except (OSError, RuntimeError) as error:  # RuntimeError: no thread can be started
            watch.set_health(f"degraded: cannot watch files: {getattr(error, 'strerror', None) or error}")
        watch.armed.wait(_PATIENCE)
        return watch

    def _begin(self) -> None:
        if self._source is not None:
            self._source.wake()
            return
        source = self._make()
        self._source = source
        name = "processman-files"
        self._thread = threading.Thread(target=self._run, args=(source,), name=name, daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            self._source = None
            source.close()
            raise

    def forget(self, watch: Watch) -> None:
        """End one watch, and no other that looks at the same files."""
        with self._lock:
            self._watches = tuple(each for each in self._watches if each is not watch)
            if self._source is not None:
                self._source.wake()

    def alive(self) -> bool:
        """Return whether events can come."""
        source = self._source
        return source is not None and source.alive()

    def close(self) -> None:
        """End all watches and the thread. A later :meth:`watch` begins anew."""
        with self._lock:
            source, self._source, self._watches = self._source, None, ()
            if source is not None:
                source.wake()
        if source is not None:
            self._thread.join(_PATIENCE)

    def _run(self, source: Source) -> None:
        try:
            self._work(source)
        except Exception:
            logger.exception("watching files has failed")
            for watch in self._watches:
                watch.set_health("degraded: watching has failed, the log says why")
        finally:
            with self._lock:
                self._source = None if self._source is source else self._source
            source.close()

    def _work(self, source: Source) -> None:
        armed: tuple[Watch, ...] | None = None
        while self._source is source:
            if armed is not self._watches:
                armed = watches = self._watches
                again = self._arm(source, watches)
            seen = source.wait(_SOON if again else None)
            for watch in watches:
                watch.take(seen)
            if again or any(watch.roots.concerns(each) for watch in watches for each in seen):
                armed = None

    @staticmethod
    def _arm(source: Source, watches: Sequence[Watch]) -> bool:
        """Watch what is needed now; return whether the files may have changed meanwhile."""
        needs = {watch: tuple(watch.roots.needs(source.recursive)) for watch in watches}
        wanted: dict[str, Reach] = {}
        for path, reach in (each for need in needs.values() for each in need):
            wanted[path] = max(reach, wanted.get(path, reach))
        fresh, failed = source.arm(wanted)
        gone = (errno.ENOENT, errno.ENOTDIR)
        errors = {path: error for path, error in failed.items() if error.errno not in gone}
        for watch, need in needs.items():
            if watch.armed.is_set():  # what came with new directories, before they were watched
                watch.take(seen for directory in fresh for seen in watch.roots.inside(directory))
            watch.judge({path: errors[path] for path, _ in need if path in errors})
        return bool(fresh) or len(errors) < len(failed)
