"""Sleep until a signal: the only place with signal handlers."""
from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any

#: Seconds after the second signal: how long the end is waited for, how often everything is killed.
PATIENCE = 3.0
_AGAIN = 0.25
_HANGUP = getattr(signal, "SIGHUP", None)


def _numbers() -> list[int]:
    names = ("SIGINT", "SIGTERM", "SIGBREAK", "SIGHUP")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    return [n for n in numbers if n != _HANGUP or signal.getsignal(n) is not signal.SIG_IGN]


def _nothing(number: int, frame: FrameType | None) -> None:
    """Handle a signal: that it came has been written to the pipe already."""


class Signals:
    """Turns signals into news while it is entered. Former handlers are put back.

    The news come through a pipe that the interpreter itself writes to, from whichever thread the system
    chose: a lock or a queue can miss a signal that arrives just before the main thread goes to sleep, or
    that is delivered to another thread.

    :raises RuntimeError: entered outside the main thread.
    """

    def __enter__(self) -> Signals:
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("cannot wait for signals: only the main thread can")
        self._reading, self._writing = os.pipe()
        if os.name == "posix":
            os.set_blocking(self._writing, False)
        self._former_fd = signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        self._former: dict[int, Any] = {number: signal.signal(number, _nothing) for number in _numbers()}
        return self

    def __exit__(self, *_: object) -> None:
        for number, former in self._former.items():
            # None: it was not Python's, so there is nothing to put back
            signal.signal(number, signal.SIG_DFL if former is None else former)
        signal.set_wakeup_fd(self._former_fd)
        writing, self._writing = self._writing, -1  # so that who wakes too late does not write elsewhere
        os.close(writing)
        os.close(self._reading)

    def wake(self) -> None:
        """End the current or next :meth:`wait`, which returns ``None``. Any thread."""
        with suppress(OSError):
            os.write(self._writing, b"\0")

    def wait(self) -> int | None:
        """Sleep until a signal that is handled here, and return its number, or until woken."""
        while True:
            number = os.read(self._reading, 1)[0]
            if not number or number in self._former:
                return number or None


def run(start: Callable[[], object], stop: Callable[[], object], kill: Callable[[], object]) -> int | None:
    """Call *start*, sleep until a signal, call *stop* (in a thread); call *kill* at a second signal.

    Return the number of the second signal, or ``None``; a hangup is never the second. What *start* or *stop*
    raises comes through.
    """
    failure: list[BaseException] = []

    def end() -> None:
        try:
            stop()
        except BaseException as error:
            failure.append(error)
        signals.wake()

    with Signals() as signals:
        start()
        signals.wait()
        ending = threading.Thread(target=end, name="processman-stop", daemon=True)
        ending.start()
        # who closes a terminal sends a hangup more than once: the shell does, and then the system
        while (second := signals.wait()) == _HANGUP and second is not None:
            continue
        if second is not None:
            deadline = time.monotonic() + PATIENCE
            while ending.is_alive() and time.monotonic() < deadline:
                kill()  # again, for the first may come before *stop* has begun
                ending.join(_AGAIN)
            return second
    if failure:
        raise failure[0]
    return None
