"""The log of one process: its newest lines, numbered, for any number of readers.

A reader thread appends raw blocks; splitting and decoding happen when somebody reads. Nobody who appends
ever waits for somebody who reads: whoever comes too late is told how much was missed.
"""
from __future__ import annotations

import codecs
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from itertools import takewhile
from typing import NamedTuple

from .caller import wait_for
from .events import STREAMS, Gap, LogLine, News, Stream
from .lines import Block, split
from .spool import Spool

#: lines that are kept, and that one answer holds at most
KEEP_LINES = 1000
#: bytes that are kept
KEEP_BYTES = 1 << 20


#: seconds after something was spooled until it is done again: a small part of the time it takes to read
_REST, _REST_PER_BYTE = 1e-4, 5e-9


class _Chunk(NamedTuple):
    seq: int  # of its first line, among all lines of the process
    nth: int  # of its first line, among the lines of its stream
    stream: Stream
    run: int
    time: float
    block: Block


class _Pending(NamedTuple):
    rest: bytes
    run: int
    time: float


class Batch(NamedTuple):
    """Lines after a cursor: the *items*, the *next* cursor, and how many lines before them were *missed*."""

    items: tuple[LogLine, ...]
    next: int
    missed: int


class Journal:
    """The last 1000 lines and at most 1 MiB of one process. Every method may be called from any thread."""

    def __init__(
        self, process_id: str, *, keep_lines: int = KEEP_LINES, keep_bytes: int = KEEP_BYTES
    ) -> None:
        self.process_id = process_id
        #: names this life of the log: what its numbers belong to, and what no other has
        self.epoch = secrets.token_hex(8)
        #: called with the stream after each append, by the reader thread; must be quick
        self.on_append: Callable[[Stream], None] | None = None
        #: takes out of whole lines, or of the beginning of one, what must not be kept; as above
        self.hide: Callable[[bytes], bytes] | None = None
        self._keep_lines = keep_lines
        self._keep_bytes = keep_bytes
        self._changed = threading.Condition(threading.Lock())
        self._chunks: deque[_Chunk] = deque()
        self._lines = self._bytes = 0
        self._counts: dict[Stream, int] = {"stdout": 0, "stderr": 0}
        self._pending: dict[Stream, _Pending] = {}
        self._last = 0
        self._spool: Spool | None = None
        #: the number of the newest line that is spooled, and until when the next have to wait
        self._spooled, self._rest_until = 0, 0.0
        #: something waits to be spooled
        self.behind = False
        #: nothing more will come
        self.closed = False

    @property
    def last(self) -> int:
        """The number of the newest line; 0 when there is none."""
        return self._last

    def count(self, stream: Stream) -> int:
        """Return how many lines *stream* has had so far."""
        return self._counts[stream]

    def append(self, stream: Stream, run: int, blocks: Iterable[Block], rest: bytes = b"") -> None:
        """Add complete *blocks*, and remember the *rest* that waits for its newline."""
        if self.hide is not None:
            blocks = [block._replace(data=self.hide(block.data)) for block in blocks]
            rest = self.hide(rest)
        now = time.time()
        with self._changed:
            for block in blocks:
                self._add(_Chunk(self._last + 1, self._counts[stream] + 1, stream, run, now, block))
            if self._spool is not None:
                self._write(self._spool)
            if rest:
                self._pending[stream] = _Pending(rest, run, now)
            else:
                self._pending.pop(stream, None)
            self._changed.notify_all()
        if self.on_append is not None:
            self.on_append(stream)

    def keep(self, spool: Spool, *, restore: bool) -> None:
        """From now on keep everything in *spool* as well; *restore*: first go on where another journal was."""
        with self._changed:
            records, counts, epoch = spool.read() if restore else ([], (0, 0, 0), "")
            self.epoch = epoch or self.epoch
            for each in records:
                block = Block(each.data, each.lines, each.partial)
                self._add(_Chunk(each.seq, each.nth, STREAMS[each.is_error], each.run, each.time, block))
            self._last, *each_stream = map(max, counts, (self._last, *self._counts.values()))
            self._counts = dict(zip(STREAMS, each_stream, strict=True))
            self._spool = spool

    def catch_up(self) -> None:
        """Spool what came too quickly one after the other, now that there is a pause."""
        with self._changed:
            if self._spool is not None:
                self._rest_until = 0.0
                self._write(self._spool)

    def _write(self, spool: Spool) -> None:
        now = time.monotonic()
        self.behind = now < self._rest_until
        if not self.behind:
            if not spool.begun:
                spool.begin(self.epoch)
            news = list(takewhile(lambda chunk: chunk.seq > self._spooled, reversed(self._chunks)))
            for seq, nth, stream, run, when, (data, lines, partial) in reversed(news):
                spool.append(seq, nth, run, when, lines, stream == "stderr", partial, data)
            self._spooled = self._last
            self._rest_until = now + _REST + _REST_PER_BYTE * sum(len(chunk.block.data) for chunk in news)
        spool.count(self._last, *self._counts.values())

    def close(self) -> None:
        """End every follower's waiting: nothing more will come."""
        if self.behind:
            self.catch_up()
        with self._changed:
            self.closed = True
            if self._spool is not None:
                self._spool.close()
            self._changed.notify_all()

    def tail(self, lines: int) -> tuple[LogLine, ...]:
        """Return the newest *lines* lines, oldest first; last of all what still waits for its newline."""
        with self._changed:
            chunks, pending = self._newest(lines), list(self._pending.items())
        items = list(_expand(self.process_id, chunks))
        items += [_unfinished(self.process_id, stream, rest) for stream, rest in pending]
        return tuple(items[-lines:])

    def read(self, after: int, *, limit: int = KEEP_LINES, timeout: float | None = 0.0) -> Batch:
        """Return what came after line number *after*, waiting up to *timeout* seconds for something.

        Empty when the time is over or the journal is closed.
        """
        with self._changed:
            wait_for(self._changed, lambda: self._last > after or self.closed, timeout)
            chunks = self._since(after)
        items = tuple(item for item in _expand(self.process_id, chunks) if item.seq > after)[:limit]
        if not items:
            return Batch((), after, 0)
        return Batch(items, items[-1].seq, items[0].seq - 1 - after)

    def news(self, after: int, *, epoch: str = "", timeout: float = 0.0) -> News:
        """Return what came after line number *after* of *epoch*; of another life, from the oldest line on."""
        if after > self._last or epoch not in ("", self.epoch):
            after = 0
        return News(*self.read(after, timeout=timeout), self.epoch)

    def follow(self, after: int, timeout: float | None) -> Iterator[LogLine | Gap]:
        """Iterate over what comes after line number *after*, until nothing came for *timeout* seconds."""
        while (batch := self.read(after, timeout=timeout)).items:
            for item in batch.items:
                if item.seq > after + 1:  # dropped, or gone with an owner that was killed
                    yield Gap(item.seq - after - 1)
                yield item
                after = item.seq

    def read_stream(self, stream: Stream, after: int) -> Batch:
        """Return the lines of one stream after its *after*-th; cursors count the lines of that stream."""
        with self._changed:
            chunks = [
                chunk for chunk in self._chunks
                if chunk.stream == stream and chunk.nth + chunk.block.lines > after + 1
            ]
            total = self._counts[stream]
        if not chunks:
            return Batch((), total, total - after)
        skip = max(0, after + 1 - chunks[0].nth)
        items = tuple(_expand(self.process_id, chunks))[skip:]
        return Batch(items, total, max(0, chunks[0].nth - 1 - after))

    def _newest(self, lines: int) -> list[_Chunk]:
        found: deque[_Chunk] = deque()  # by count, for numbers may be missing where an owner was killed
        for chunk in reversed(self._chunks):
            if lines <= 0:
                break
            found.appendleft(chunk)
            lines -= chunk.block.lines
        return list(found)

    def _since(self, after: int) -> list[_Chunk]:
        return [chunk for chunk in self._chunks if chunk.seq + chunk.block.lines > after + 1]

    def _add(self, chunk: _Chunk) -> None:
        block = chunk.block
        self._chunks.append(chunk)
        self._last = max(self._last, chunk.seq + block.lines - 1)
        self._counts[chunk.stream] = max(self._counts[chunk.stream], chunk.nth + block.lines - 1)
        self._lines += block.lines
        self._bytes += len(block.data)
        while len(self._chunks) > 1 and (
            self._lines - self._chunks[0].block.lines >= self._keep_lines or self._bytes > self._keep_bytes
        ):
            old = self._chunks.popleft().block
            self._lines -= old.lines
            self._bytes -= len(old.data)


def _expand(process_id: str, chunks: list[_Chunk]) -> Iterator[LogLine]:
    for chunk in chunks:
        timestamp = datetime.fromtimestamp(chunk.time, UTC)
        for seq, content in enumerate(split(chunk.block), chunk.seq):
            yield LogLine(
                timestamp=timestamp, process_id=process_id, stream=chunk.stream, content=content,
                seq=seq, run=chunk.run, partial=chunk.block.partial,
            )


def _unfinished(process_id: str, stream: Stream, pending: _Pending) -> LogLine:
    # an incremental decoder leaves out the first bytes of a character whose last are still to come
    content = codecs.getincrementaldecoder("utf-8")("replace").decode(pending.rest)
    return LogLine(
        timestamp=datetime.fromtimestamp(pending.time, UTC), process_id=process_id, stream=stream,
        content=content.removesuffix("\r"), seq=0, run=pending.run, partial=True,
    )
