"""Sleep until a signal: the only place with signal handlers."""
from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from types import FrameType, TracebackType
from typing import Any

#: After the second signal everything has been killed; how long its end is waited for, in seconds.
PATIENCE = 3.0
# Windows runs no handler while the main thread sleeps in a lock.
_LOOK = None if os.name == "posix" else 0.2


def _numbers() -> list[int]:
    names = ("SIGINT", "SIGTERM", "SIGBREAK", "SIGHUP")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    hangup = getattr(signal, "SIGHUP", None)
    return [n for n in numbers if n != hangup or signal.getsignal(n) is not signal.SIG_IGN]


class Signals:
    """Turns signals into news while it is entered. The handlers do nothing else, and are put back.

    :raises RuntimeError: entered outside the main thread.
    """

    def __init__(self) -> None:
        # the only queue whose put may be called from a handler that interrupted another put
        self._news: SimpleQueue[Any] = SimpleQueue()
        self._former: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("cannot wait for signals: only the main thread can")
        for number in _numbers():
            self._former[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, former in self._former.items():
            # None: it was not Python's, so there is nothing to put back
            signal.signal(number, signal.SIG_DFL if former is None else former)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        self._news.put(number)

    def post(self, news: object) -> None:
        """End the current or next :meth:`wait`, which returns *news*. Any thread."""
        self._news.put(news)

    def wait(self) -> Any:
        """Sleep until a signal, and return its number, or until something is posted."""
        while True:
            try:
                return self._news.get(timeout=_LOOK)
            except Empty:
                continue


def run(start: Callable[[], object], stop: Callable[[], object], kill: Callable[[], object]) -> int | None:
    """Call *start*, sleep until a signal, call *stop* (in a thread); call *kill* at a second signal.

    Return the number of the second signal, or ``None``. What *start* or *stop* raises comes through.
    """
    failure: list[BaseException] = []

    def end() -> None:
        try:
            stop()
        except BaseException as error:
            failure.append(error)
        signals.post(None)

    with Signals() as signals:
        start()
        signals.wait()
        ending = threading.Thread(target=end, name="processman-stop", daemon=True)
        ending.start()
        second: int | None = signals.wait()
        if second is not None:
            kill()
            ending.join(PATIENCE)
            return second
    if failure:
        raise failure[0]
    return None
