"""Who is told of events: subscribers, called in order from one thread of their own."""
from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from . import signals
from .events import Event
from .failures import report
from .states import Status

logger = logging.getLogger(__name__)

#: events that wait for slow subscribers; older ones are dropped, with a warning
BACKLOG = 10_000


class Observers:
    """The subscriptions of one manager. The thread begins with the first event that somebody hears.

    So a manager that is not started has none, and may be forked.
    """

    def __init__(self) -> None:
        self._subscribers: tuple[Callable[[Event], None], ...] = ()
        #: what the thread that subscribed leaves to others
        self._signals: set[int] = set()
        self.begin_anew()

    def begin_anew(self) -> None:
        """Keep the subscribers and nothing else: this is a forked copy, whose locks anybody may have held."""
        self._changed = threading.Condition(threading.Lock())
        #: each event with those who had subscribed by then
        self._backlog: deque[tuple[Event, tuple[Callable[[Event], None], ...]]] = deque()
        self._dropped = 0
        self._seq = 0
        self._closing = True
        self._thread: threading.Thread | None = None

    def subscribe(self, callback: Callable[[Event], None]) -> Callable[[], None]:
        """Call *callback* with each event from now on; return a function that ends this."""
        def call(event: Event) -> None:  # an identity of its own, so that a callback may subscribe twice
            callback(event)

        with self._changed:
            self._subscribers = (*self._subscribers, call)
            self._signals = signals.blocked()
        return lambda: self._unsubscribe(call)

    def open(self) -> None:
        """Keep the thread between events from now on."""
        with self._changed:
            self._closing = False

    def close(self) -> None:
        """End the thread when it has told what there is; wait for that, but not long for a slow subscriber."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None and not self.is_calling():
            thread.join(1.0)

    def publish(self, kind: str, status: Status) -> None:
        """Queue an event. Any thread; never waits for a subscriber."""
        with self._changed:
            self._seq += 1
            if not self._subscribers:
                return
            if len(self._backlog) >= BACKLOG:
                self._backlog.popleft()
                self._dropped += 1
            event = Event(
                seq=self._seq, timestamp=datetime.now(UTC), process_id=status.id, kind=kind, status=status
            )
            self._backlog.append((event, self._subscribers))
            self._changed.notify_all()
            if self._thread is None or not self._thread.is_alive():
                self._begin()

    def is_calling(self) -> bool:
        """Tell whether this is the thread that calls subscribers."""
        return threading.current_thread() is self._thread

    def _unsubscribe(self, call: Callable[[Event], None]) -> None:
        with self._changed:
            self._subscribers = tuple(one for one in self._subscribers if one is not call)
            self._changed.notify_all()

    def _begin(self) -> None:
        self._thread = threading.Thread(target=self._run, name="processman-observers", daemon=True)
        try:
            self._thread.start()  # under the lock: else two events at once could make two
        except RuntimeError:  # there are too many; the next event tries again
            self._thread = None

    def _run(self) -> None:
        signals.block(self._signals)  # what callbacks spawn inherits that
        while (batch := self._next()) is not None:
            event, subscribers, dropped = batch
            with suppress(Exception):  # of a handler of the host
                if dropped:
                    logger.warning("%d events were dropped: a subscriber is too slow", dropped)
            for call in subscribers:
                try:
                    call(event)
                except Exception:
                    report(logger, "a subscriber failed at %s of process %r", event.kind, event.process_id)

    def _next(self) -> tuple[Event, tuple[Callable[[Event], None], ...], int] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._backlog or self._closing or not self._subscribers)
            if not self._subscribers:
                self._backlog.clear()
            if not self._backlog:
                self._thread = None
                return None
            dropped, self._dropped = self._dropped, 0
            event, subscribers = self._backlog.popleft()
            return event, tuple(one for one in subscribers if one in self._subscribers), dropped
