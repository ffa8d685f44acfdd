"""The line bridge into PocketBase's logs, for what processes print and what becomes of them.

PocketBase takes in any number of lines at once and keeps them in memory until they are written, so it has to be
spared: 200 lines a second for each process. What comes faster waits in the journal of its process, and what is
dropped from there is counted.
"""
from __future__ import annotations

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from typing import NamedTuple
from urllib.parse import urlsplit

from ..bridge import printable
from ..events import Event, LogLine, Stream
from ..failures import report
from ..journal import KEEP_LINES, Journal
from ..states import State

logger = logging.getLogger(__name__)

#: lines a second of one process, and lines of one request
RATE, BATCH = 200, 100
#: seconds that lines are collected, and between two tries where PocketBase takes none
_PAUSE, _RETRY = 0.2, 0.5
#: seconds between two lines that say how many were left out
_TELL = 1.0
#: events that wait at most
_EVENTS = 1000
#: seconds that PocketBase may take, and that the last lines may
_TIMEOUT, _LAST = 5.0, 2.0

INFO, WARN, ERROR = 0, 4, 8
_STREAMS: Mapping[str, tuple[Stream, ...]] = {"all": ("stdout", "stderr"), "stderr": ("stderr",)}
_LEVELS: Mapping[Stream, int] = {"stdout": INFO, "stderr": ERROR}
_OURS = "processman"


class Row(NamedTuple):
    """One row of PocketBase's logs, which ``--dev`` prints on its terminal as it is."""

    level: int
    message: str
    process: str
    source: str


class Post:
    """Sends rows to the hook at *url*, which knows *secret*. One thread."""

    def __init__(self, url: str, secret: str) -> None:
        self._connection = HTTPConnection(urlsplit(url).netloc, timeout=_TIMEOUT)
        self._headers = {"Content-Type": "application/json", "X-Processman": secret}
        self._failed = False

    def __call__(self, rows: Sequence[Row]) -> bool:
        """Return whether PocketBase has taken *rows*."""
        why = self._send(rows)
        if why and not self._failed:  # the connection may be one from before a restart
            why = self._send(rows)
        if why and not self._failed:
            logger.warning("PocketBase takes no lines into its logs: %s", why)
        self._failed = bool(why)
        return not why

    def _send(self, rows: Sequence[Row]) -> str:
        try:
            self._connection.request("POST", "/_processman/lines", json.dumps({"lines": rows}), self._headers)
            answer = self._connection.getresponse()
            answer.read()
            return "" if answer.status == 204 else f"status {answer.status}"
        except (OSError, HTTPException) as error:
            self._connection.close()
            return str(error) or type(error).__name__


class Lines:
    """The bridge of one manager. A process that prints never waits for it.

    :param post: sends rows, and returns whether they were taken.
    :param mode_of: says of each process what is wanted: ``all``, ``stderr``, ``events`` or ``none``.
    """

    def __init__(self, post: Callable[[Sequence[Row]], bool], mode_of: Callable[[str], str]) -> None:
        self._post, self._mode_of = post, mode_of
        self._bell, self._closing = threading.Event(), threading.Event()
        self._taps: dict[Journal, _Tap] = {}
        self._events: deque[Row] = deque(maxlen=_EVENTS)
        self._thread = threading.Thread(target=self._run, name="processman-lines", daemon=True)
        self._thread.start()

    def follow(self, journal: Journal) -> None:
        """Follow one more journal, from its next line on."""
        tap = _Tap(journal)
        self._taps[journal] = tap

        def offer(_: Stream) -> None:
            if not self._bell.is_set():
                self._bell.set()

        journal.on_append = offer

    def tell(self, event: Event) -> None:
        """Take in what has become of a process."""
        row = _row(event)
        if row is not None and self._mode_of(event.process_id) != "none":
            self._events.append(row)
            self._bell.set()

    def forget_closed(self) -> None:
        """Let go of the journals that are closed, once their last line is delivered."""
        self._bell.set()

    def close(self) -> None:
        """Deliver what there is, as far as the rate allows, and end the thread."""
        self._closing.set()
        self._bell.set()
        if self._thread is not threading.current_thread():
            self._thread.join(_LAST)

    def _run(self) -> None:
        closing = False
        while not closing:
            self._bell.wait()
            self._closing.wait(_PAUSE)  # what comes meanwhile goes along
            self._bell.clear()
            closing = self._closing.is_set()
            try:
                self._round(last=closing)
            except Exception:
                report(logger, "lines for PocketBase's logs are lost")

    def _round(self, *, last: bool) -> None:
        rows = [self._events.popleft() for _ in range(len(self._events))]
        for journal, tap in self._taps.copy().items():
            closed = journal.closed
            rows += tap.take(_STREAMS.get(self._mode_of(journal.process_id), ()), time.monotonic(), last=last)
            if tap.behind:
                self._bell.set()
            elif closed:
                del self._taps[journal]
        for start in range(0, len(rows), BATCH):
            self._deliver(rows[start:start + BATCH])

    def _deliver(self, rows: Sequence[Row]) -> None:
        """Send *rows*; while PocketBase takes none, as in a restart, what comes more waits in the journals."""
        while not self._post(rows) and not self._closing.wait(_RETRY):
            continue


class _Tap:
    """Where the bridge is in one journal, counted in lines of each stream, and how many more it may take."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._done: dict[Stream, int] = {stream: journal.count(stream) for stream in _LEVELS}
        self._allowed, self._at = float(RATE), time.monotonic()
        self._left_out, self._told = 0, 0.0
        #: something is left to be taken
        self.behind = False

    def take(self, streams: Sequence[Stream], now: float, *, last: bool) -> list[Row]:
        """Return the rows that are due; *last*: nothing is taken later."""
        self._allowed = min(RATE, self._allowed + RATE * (now - self._at))
        self._at = now
        lines = self._read(streams)
        old = len(lines) - KEEP_LINES  # a journal may hold more, where they came at once
        if old > 0:
            self._left_out += self._pass(lines[:old])
            lines = lines[old:]
        taken = lines[:int(self._allowed)]
        self._allowed -= self._pass(taken)
        if last:
            self._left_out += len(lines) - len(taken)
        due = self._left_out and (last or now >= self._told + _TELL)
        rows = [self._note(now)] if due else []
        self.behind = not last and (len(lines) > len(taken) or self._left_out > 0)
        return [*rows, *map(_line, taken)]

    def _pass(self, lines: Sequence[LogLine]) -> int:
        for line in lines:
            self._done[line.stream] += 1
        return len(lines)

    def _read(self, streams: Sequence[Stream]) -> list[LogLine]:
        lines: list[LogLine] = []
        for stream in self._done:
            if stream not in streams:
                self._done[stream] = self._journal.count(stream)
            elif self._journal.count(stream) != self._done[stream]:
                batch = self._journal.read_stream(stream, self._done[stream])
                self._left_out += batch.missed
                self._done[stream] = batch.next - len(batch.items)
                lines += batch.items
        return sorted(lines, key=lambda line: line.seq)

    def _note(self, now: float) -> Row:
        count, self._left_out, self._told = self._left_out, 0, now
        message = f"{count} line{'' if count == 1 else 's'} left out: more than {RATE} a second"
        return Row(WARN, message, self._journal.process_id, _OURS)


def _line(line: LogLine) -> Row:
    return Row(_LEVELS[line.stream], printable(line.content), line.process_id, line.stream.upper())


def _row(event: Event) -> Row | None:
    status = event.status
    match event.kind:
        case State.RUNNING:
            level, message = INFO, f"Process is running, pid {status.pid}"
        case State.STOPPED:
            level, message = INFO, "Process is stopped"
        case State.EXITED:
            level, message = INFO, f"Process has ended: exit code {status.exit_code}"
        case State.FAILED:
            level, message = ERROR, f"Process has failed: {status.last_error}"
        case State.CRASHED:
            delay = status.next_retry_at and (status.next_retry_at - datetime.now(UTC)).total_seconds()
            level, message = WARN, f"Process has crashed: {status.last_error}; retry in {max(delay or 0, 0):.1f} s"
        case _:
            return None
    return Row(level, printable(message), event.process_id, _OURS)
