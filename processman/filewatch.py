"""Watching files: one thread tells each :class:`Watch` which of its files changed.

What is watched follows the files: whenever a directory comes or goes, what all watches need is found anew,
and exactly that is watched. So a missing, replaced or moved root is no special case.
"""
from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from .roots import Roots, Seen
from .sources import Source, of_the_system

logger = logging.getLogger(__name__)

#: seconds that :meth:`FileWatch.watch` waits until all is watched, and :meth:`FileWatch.close` for the thread
_PATIENCE = 1.0
#: seconds after which to look for what came meanwhile
_SOON = 0.05
#: what is watched: directories, each alone or with its tree, and what the source wants back to end that
Held = dict[tuple[str, bool], Any]


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
        lost = self._health == "on" and not self._owner.alive()
        return "degraded: the system has ended the watching" if lost else self._health

    def close(self) -> None:
        """End it. A last call of *notify* may be under way."""
        self._owner.forget(self)

    def take(self, events: Iterable[Seen]) -> None:
        """Tell what counts: files, directories that went or came with their files, and lost events."""
        paths = (seen.path for seen in events if not seen.directory or seen.kind == "moved")
        for path in dict.fromkeys(paths):
            if not path or self.roots.counts(path):
                try:
                    self._notify(path)
                except Exception:  # the fault of one listener must not end the watching for all
                    logger.exception("a listener to changes of files failed")

    def judge(self, why: str) -> None:
        """Take note of *why* not all is watched, or ``""``. The first ends the wait in :meth:`FileWatch.watch`."""
        health = f"degraded: {why}" if why else "on"
        if health not in ("on", self._health):
            logger.warning("watching files is %s", health)
        self._health = health
        self.armed.set()


class FileWatch:
    """All watches of a manager: one source and one thread, from the first :meth:`watch` to :meth:`close`."""

    def __init__(self, make: Callable[[], Source] = of_the_system) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._watches: tuple[Watch, ...] = ()
        self._source: Source | None = None
        self._thread = threading.Thread()

    def watch(self, roots: Sequence[Path], ignore: Sequence[str], notify: Callable[[str], None]) -> Watch:
        """Call ``notify(path)`` for each change of what is at or below *roots* and is not ignored.

        *notify* runs in the watching thread and must be quick; what it raises is logged. Its path is ``""``
        where changes were too many to be told. Returns when all is watched, or after a second.
        """
        watch = Watch(Roots(roots, ignore), notify, self)
        try:
            with self._lock:
                self._watches += (watch,)
                self._begin()
        except (OSError, RuntimeError, ImportError) as error:  # RuntimeError: no thread can be started
            watch.judge(f"cannot watch files: {getattr(error, 'strerror', None) or error}")
        watch.armed.wait(_PATIENCE)
        return watch

    def _begin(self) -> None:
        if self._source is None:
            self._source = source = self._make()
            name = "processman-files"
            self._thread = threading.Thread(target=self._run, args=(source,), name=name, daemon=True)
            try:
                self._thread.start()
            except RuntimeError:
                self._source = None
                source.close()
                raise
        self._source.wake()

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
            self._thread.join(_PATIENCE)

    def _run(self, source: Source) -> None:
        try:
            self._work(source)
        except Exception:
            logger.exception("watching files has failed")
            for watch in self._watches:
                watch.judge("watching has failed, the log says why")
        finally:
            with self._lock:
                self._source = None if self._source is source else self._source
            source.close()

    def _work(self, source: Source) -> None:
        held: Held = {}
        again, watches = False, tuple[Watch, ...]()
        while self._source is source:
            if again or watches is not self._watches:
                watches = self._watches
                again = _arm(source, held, watches)
            news = source.wait(_SOON if again else None)
            for watch in watches:
                watch.take(news)
            news = [seen for seen in news if any(watch.roots.concerns(seen) for watch in watches)]
            other = tuple(os.path.join(seen.path, "") for seen in news)  # at and below it may be others by now
            _let_go(source, held, [each for each in held if os.path.join(each[0], "").startswith(other)])
            again = again or bool(news)


def _arm(source: Source, held: Held, watches: Sequence[Watch]) -> bool:
    """Watch exactly what is needed now; return whether files may have changed meanwhile."""
    needs = {watch: tuple(watch.roots.needs(source.recursive)) for watch in watches}
    wanted = dict.fromkeys(each for need in needs.values() for each in need)
    _let_go(source, held, held.keys() - wanted.keys())
    fresh, errors, gone = [], {}, False
    for path, tree in [each for each in wanted if each not in held]:
        try:
            held[path, tree] = source.begin(path, tree)
            fresh.append(path)
        except (FileNotFoundError, NotADirectoryError):
            gone = True
        except OSError as error:
            errors[path] = f"cannot watch {path!r}: {error.strerror}"
    for watch, need in needs.items():
        if watch.armed.is_set():  # what came with new directories, before they were watched
            watch.take(seen for directory in fresh for seen in watch.roots.inside(directory))
        watch.judge(next((errors[path] for path, _ in need if path in errors), ""))
    return bool(fresh) or gone


def _let_go(source: Source, held: Held, directories: Iterable[tuple[str, bool]]) -> None:
    for each in directories:
        source.end(held.pop(each))
