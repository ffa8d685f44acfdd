"""What ``processman up`` writes: children's output, and our own messages."""
from __future__ import annotations

import errno
import logging
import os
import queue
import select
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from ..bridge import printable
from ..events import Event
from ..states import State
from .output import colourful, line_of

logger = logging.getLogger(__name__)

#: nobody reads there any more, and nobody will
_GONE = (errno.EPIPE, errno.EIO, errno.EBADF)


@contextmanager
def shown(reveal: Callable[[str], str] = str) -> Iterator[None]:
    """Show children's output on standard output, and our own messages on standard error.

    :param reveal: gives a line back what a terminal may show of it, and nothing else.
    """
    output, own = logging.getLogger("processman.output"), logging.getLogger("processman")
    output.propagate = own.propagate = False
    output.setLevel(logging.INFO)
    own.setLevel(logging.INFO)
    messages = _Messages()
    output.addHandler(_Output(reveal))
    own.addHandler(messages)
    try:
        yield
    finally:
        messages.flush_and_end()


def tell(event: Event) -> None:
    """Say what has become of a process."""
    status, name = event.status, event.process_id
    match event.kind:
        case State.RUNNING:
            logger.info("%s is running, pid %s", name, status.pid)
        case State.STOPPED:
            logger.info("%s is stopped", name)
        case State.EXITED:
            logger.info("%s has ended: exit code %s", name, status.exit_code)
        case State.FAILED:
            logger.error("%s has failed: %s", name, status.last_error)
        case State.CRASHED:
            delay = status.next_retry_at and (status.next_retry_at - datetime.now(UTC)).total_seconds()
            logger.warning("%s has crashed: %s; retry in %.1f s", name, status.last_error, max(delay or 0, 0))


class _Stream:
    """A standard stream, written unbuffered, and given up for good once nobody reads it."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.gone = False

    def write(self, text: str) -> None:
        data = text.encode("utf-8", "backslashreplace")
        while data and not self.gone:
            try:
                data = data[os.write(self._fd, data):]
            except BlockingIOError:  # somebody else who has this terminal made it so
                select.select([], [self._fd], [])
            except OSError as error:  # a full disk, for one, loses this line and no more
                self.gone = error.errno in _GONE
                return


class _Output(logging.Handler):
    """Children's output. Runs in the thread of the bridge: a terminal that is stopped holds up only that."""

    def __init__(self, reveal: Callable[[str], str]) -> None:
        super().__init__()
        self._stream = _Stream(1)
        self._coloured = sys.stdout is not None and colourful(sys.stdout)
        self._reveal = reveal if os.isatty(1) else str

    def handle(self, record: logging.LogRecord) -> bool:
        """Take no lock: the end of the interpreter would wait for it while the terminal is stopped."""
        self.emit(record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        if hasattr(record, "content"):
            name, stream, content = record.process_id, record.stream, record.content  # type: ignore[attr-defined]
            text = line_of(name, stream, self._reveal(content), coloured=self._coloured)
        else:
            text = printable(record.getMessage())
        self._stream.write(f"{text}\n")
        if self._stream.gone:
            logging.getLogger("processman.output").setLevel(logging.CRITICAL + 1)
            logger.warning("nobody reads standard output: what the processes print is shown no longer")


class _Messages(logging.Handler):
    """Our own messages, written by a thread of their own: whoever logs must not wait for a terminal."""

    def __init__(self) -> None:
        super().__init__()
        self._queue: queue.Queue[str | None] = queue.Queue(1000)
        self._stream = _Stream(2)
        self._thread = threading.Thread(target=self._run, name="processman-messages", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        level = "" if record.levelno <= logging.INFO else f"{record.levelname.lower()}: "
        lines = (printable(line) for line in f"{level}{self.format(record)}".split("\n"))
        with suppress(queue.Full):
            self._queue.put_nowait("".join(f"processman: {line}\n" for line in lines))

    def flush_and_end(self) -> None:
        """Write what there is; a terminal that is stopped is not waited for longer than a second."""
        with suppress(queue.Full):
            self._queue.put(None, timeout=1.0)
        self._thread.join(1.0)

    def _run(self) -> None:
        while (text := self._queue.get()) is not None:
            self._stream.write(text)
