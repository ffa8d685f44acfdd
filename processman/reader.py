"""The output of one run: two pipes, and the two threads that read them into the journal.

The end of a pipe is not the end of the process, nor the other way round: a descendant may keep a pipe for
ever. So a reader waits for its pipe and for a wake descriptor, and can always be ended.
"""
from __future__ import annotations

import _thread
import logging
import os
import select
import sys
from collections.abc import Iterator, Sequence

from .events import STREAMS, Stream
from .failures import report
from .journal import Journal
from .lines import LineCutter
from .wake import Wake

logger = logging.getLogger(__name__)

#: bytes of one read
_READ = 65536
#: bytes read at the end at most; a pipe holds no more, but an escaped daemon may write for ever
_DRAIN = 1 << 20
#: milliseconds without output after which the journal catches up with what is to outlive us
_PAUSE = 1
#: seconds that the end of a run waits for its readers
_JOIN = 1.0

_CAN_POLL = hasattr(select, "poll")  # not for pipes on Windows: there reads block until the pipe ends


class Output:
    """The pipes and reader threads of one run. Made before the process, so that none is ever unread.

    :param reading: the ends to read of pipes that a process has already; they are ours from now on.
    """

    def __init__(self, journal: Journal, run: int, reading: Sequence[int] = ()) -> None:
        self._journal = journal
        self._run = run
        #: for each reader thread the lock that it holds
        self._readers: list[_thread.LockType] = []
        self._writers: list[int] = []
        left = list(reading)
        self._wake = Wake()
        #: the other ends of those; a reader thread closes its own
        self.readers: tuple[int, ...] = ()
        #: bytes that are read once it is over
        self._left = _DRAIN
        try:
            for stream in STREAMS:
                if not reading:
                    left.append(self._pipe())
                self._begin(stream, left[0])
                left.pop(0)  # its thread closes it
        except BaseException:
            for fd in left:
                os.close(fd)
            self.close_writers()
            self.finish()
            raise

    @property
    def writers(self) -> tuple[int, ...]:
        """What the process writes to: stdout, stderr."""
        return tuple(self._writers)

    def close_writers(self) -> None:
        """Close our copies of the ends that the process writes to."""
        while self._writers:
            os.close(self._writers.pop())

    def finish(self, *, drain: bool = True) -> None:
        """Read what is there, or leave it to who holds the pipes as well; close them and end the threads."""
        self._left = _DRAIN if drain else 0
        reading = [done for done in self._readers if not done.acquire(blocking=False)]
        if reading:
            self._wake.set()
        ended = [done.acquire(timeout=_JOIN) for done in reading]
        if all(ended):
            self._wake.close()

    def _pipe(self) -> int:
        reading, writing = os.pipe()
        self._writers.append(writing)
        self.readers += (reading,)
        return reading

    def _begin(self, stream: Stream, reading: int) -> None:
        done = _thread.allocate_lock()
        done.acquire()
        # two at every restart: threading.Thread would wait for each to begin, a third of a restart's time
        _thread.start_new_thread(self._guard, (reading, stream, done))
        self._readers.append(done)

    def _guard(self, fd: int, stream: Stream, done: _thread.LockType) -> None:
        try:
            self._read(fd, stream)
        except Exception:
            # a reader that ends early would block the child for ever: go on, without keeping anything
            report(logger, "reading %s of process %r failed; it is read but not kept", stream,
                   self._journal.process_id)
            self._discard(fd)
        finally:
            os.close(fd)
            done.release()

    def _read(self, fd: int, stream: Stream) -> None:
        cutter, append, run = LineCutter(), self._journal.append, self._run
        for data in self._chunks(fd):
            blocks = cutter.feed(data)
            append(stream, run, blocks, cutter.rest)
        append(stream, run, cutter.flush())

    def _discard(self, fd: int) -> None:
        try:
            for _ in self._chunks(fd):
                pass
        except OSError:
            report(logger, "cannot read any further from process %r", self._journal.process_id)

    def _chunks(self, fd: int) -> Iterator[bytes]:
        if _CAN_POLL:
            yield from self._until_woken(fd)
            os.set_blocking(fd, False)
        left = self._left if _CAN_POLL else sys.maxsize
        while left > 0:
            try:
                data = os.read(fd, _READ)
            except BlockingIOError:
                return
            if not data:
                return
            left -= len(data)
            yield data

    def _until_woken(self, fd: int) -> Iterator[bytes]:
        poller = select.poll()
        poller.register(fd, select.POLLIN)
        poller.register(self._wake, select.POLLIN)
        journal = self._journal
        while True:
            ready = poller.poll(_PAUSE if journal.behind else None)
            if not ready:
                journal.catch_up()
                continue
            if len(ready) > 1 or ready[0][0] != fd:
                return
            data = os.read(fd, _READ)
            if not data:
                return
            yield data
