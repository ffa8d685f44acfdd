"""A descriptor that becomes readable when somebody says so: how a thread that polls is woken."""
from __future__ import annotations

import os
import threading
from contextlib import suppress


class Wake:
    """An event that ``poll`` can wait for. :meth:`set` may be called from any thread, even after the end."""

    def __init__(self) -> None:
        # guards the number: set() after close() must not write into whatever got it next
        self._lock = threading.Lock()
        if hasattr(os, "eventfd"):
            self._reading = self._writing = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        else:
            self._reading, self._writing = os.pipe()
            os.set_blocking(self._reading, False)
            os.set_blocking(self._writing, False)

    def fileno(self) -> int:
        """Return the descriptor to poll for reading."""
        return self._reading

    def set(self) -> None:
        """Make it readable."""
        with self._lock:
            if self._writing >= 0:
                with suppress(BlockingIOError):  # full: it is readable already
                    os.write(self._writing, (1).to_bytes(8, "little"))

    def clear(self) -> None:
        """Make it unreadable again. The polling thread only."""
        with suppress(BlockingIOError):
            os.read(self._reading, 4096)

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Give the descriptor back. The polling thread only."""
        with self._lock:
            for fd in {self._reading, self._writing} - {-1}:
                os.close(fd)
            self._reading = self._writing = -1
