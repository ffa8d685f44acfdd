"""How long requests may wait for news: never where the server has one thread, and only a few of them at a time."""
from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .routes import WAIT, clamped

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

#: how many wait at most; a server with more threads to spare says so in its environ
_WAITERS = 2
WAITERS = "processman.waiters"


class Patience:
    """Who waits holds a thread of the host's server, which has few; so whoever is one too many does not."""

    def __init__(self) -> None:
        self._changed = threading.Lock()
        self._waiting = 0

    @contextmanager
    def of(self, environ: WSGIEnvironment) -> Iterator[int]:
        """Give how many seconds the request *environ* may wait, until it is answered."""
        seconds = _wanted(environ)
        if not seconds or not self._enter(environ.get(WAITERS, _WAITERS)):
            yield 0
            return
        try:
            yield seconds
        finally:
            with self._changed:
                self._waiting -= 1

    def _enter(self, most: int) -> bool:
        with self._changed:
            free = self._waiting < most
            self._waiting += free
            return free


def _wanted(environ: WSGIEnvironment) -> int:
    # what is no number is refused where the parameter is read
    if not environ.get("wsgi.multithread"):
        return 0
    for part in environ.get("QUERY_STRING", "").split("&"):
        name, _, value = part.partition("=")
        if name == "wait" and (seconds := clamped(value, WAIT)):
            return seconds
    return 0
