"""The log bridge: every line of output becomes a record on the host's ``logging``.

It follows the journals in one thread of the manager's own, so that a slow handler holds up nobody. A reader
thread does no more than ask whether the level is on; where it is off, nothing is split or woken.
"""
from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable
from typing import Protocol

from .events import LogLine, Stream
from .failures import report
from .journal import Journal

logger = logging.getLogger(__name__)

_LEVELS: dict[Stream, int] = {"stdout": logging.INFO, "stderr": logging.ERROR}
_SKIPPED = "[%s] %d lines of %s were skipped: logging is slower than the process"
#: what could forge records or drive a terminal
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")


def printable(text: str) -> str:
    """Return *text* with its control characters, but for tabs, written as escapes."""
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


class LineBridge(Protocol):
    """A way for the lines of one life of a manager."""

    def follow(self, journal: Journal, /) -> None:
        """Follow one more journal, from its next line on."""

    def forget_closed(self) -> None:
        """Let go of the journals that are closed, once their last line is delivered."""

    def close(self) -> None:
        """Deliver what there is, and end; what takes long is not waited for."""


class Bridge:
    """The way from the journals of one life of a manager to ``logging``. Its thread begins at once."""

    def __init__(self) -> None:
        self._bell = threading.Event()
        self._taps: dict[Journal, _Tap] = {}
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="processman-bridge", daemon=True)
        self._thread.start()

    def follow(self, journal: Journal) -> None:
        """Follow one more journal, from its next line on."""
        tap = _Tap(journal, self._bell)
        journal.on_append = tap.offer
        self._taps[journal] = tap

    def forget_closed(self) -> None:
        """Let go of the journals that are closed, once their last line is delivered."""
        self._bell.set()

    def close(self) -> None:
        """Deliver what there is and end the thread; a slow handler is not waited for longer than a second."""
        self._closing = True
        self._bell.set()
        if self._thread is not threading.current_thread():
            self._thread.join(1.0)

    def _run(self) -> None:
        closing = False
        while not closing:
            self._bell.wait()
            self._bell.clear()
            closing = self._closing
            for journal, tap in self._taps.copy().items():
                closed = journal.closed
                tap.deliver()
                if closed:
                    del self._taps[journal]


class _Tap:
    """Where the bridge is in one journal, counted in lines of each stream."""

    def __init__(self, journal: Journal, bell: threading.Event) -> None:
        self.journal = journal
        self._bell = bell
        self._logger = logging.getLogger(f"processman.output.{journal.process_id}")
        self._done: dict[Stream, int] = {stream: journal.count(stream) for stream in _LEVELS}

    def offer(self, stream: Stream) -> None:
        """Called by a reader thread when there is something new."""
        if not self._logger.isEnabledFor(_LEVELS[stream]):
            self._done[stream] = self.journal.count(stream)
        elif not self._bell.is_set():
            self._bell.set()

    def deliver(self) -> None:
        """Log what is new."""
        for stream, level in _LEVELS.items():
            if self.journal.count(stream) == self._done[stream] or not self._logger.isEnabledFor(level):
                continue
            batch = self.journal.read_stream(stream, self._done[stream])
            self._done[stream] = batch.next
            if batch.missed:
                self._tell(self._logger.warning, _SKIPPED, self.journal.process_id, batch.missed, stream)
            for line in batch.items:
                self._tell(self._emit, line, level)

    def _tell(self, log: Callable[..., None], *args: object) -> None:
        try:
            log(*args)
        except Exception:
            report(logger, "a log handler failed at output of process %r", self.journal.process_id)

    def _emit(self, line: LogLine, level: int) -> None:
        record = self._logger.makeRecord(
            self._logger.name, level, "(output)", 0, "[%s][%s] %s",
            (line.process_id, line.stream.upper(), printable(line.content)), None,
            extra={"process_id": line.process_id, "stream": line.stream, "run": line.run, "seq": line.seq,
                   "content": line.content},
        )
        record.created = line.timestamp.timestamp()
        self._logger.handle(record)
