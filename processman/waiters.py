"""Where supervisors sleep: until woken, until a child may have news, or until a deadline."""
from __future__ import annotations

import select
import threading
from weakref import WeakSet

from .engine import Child, Waiter
from .wake import Wake

#: seconds between two looks where nothing tells of an end
_LOOK = 0.05


class Waiters:
    """Makes the places to sleep of one engine, and wakes all at once."""

    def __init__(self) -> None:
        #: what all poll beside their own, until it is set
        self._final: Wake | None = None
        self._made: WeakSet[Waiter] = WeakSet()

    def make(self) -> Waiter:
        """Return a place to sleep for one supervisor."""
        waiter = self._make()
        self._made.add(waiter)
        return waiter

    def _make(self) -> Waiter:
        if not hasattr(select, "poll"):
            return ConditionWaiter()
        if self._final is None:
            self._final = Wake()
        return PollWaiter(self._final)

    def wake_all(self) -> None:
        """Wake all at once: one by one, the first would be reaping before the last is asked to end."""
        final, self._final = self._final, None
        if final is not None:
            final.set()
            return
        for waiter in tuple(self._made):
            waiter.wake()


class PollWaiter:
    """Sleeps in ``poll``, on the wake descriptor and on what the child gives."""

    def __init__(self, final: Wake) -> None:
        self._wake = Wake()
        #: polled until it is set, which it stays
        self._final: Wake | None = final
        self.wake = self._wake.set
        self.close = self._wake.close

    def wait(self, child: Child | None, timeout: float | None) -> None:
        """Sleep until woken, until *child* may have news, or *timeout* seconds are over."""
        poller = select.poll()
        poller.register(self._wake, select.POLLIN)
        if self._final is not None:
            poller.register(self._final, select.POLLIN)
        descriptors = [] if child is None else child.descriptors()
        if descriptors is None:
            timeout = _LOOK if timeout is None else min(timeout, _LOOK)
        for fd in descriptors or ():
            poller.register(fd, select.POLLIN)
        ready = poller.poll(None if timeout is None else max(0.0, timeout) * 1000)
        woken = [fd for fd, _ in ready]
        if self._wake.fileno() in woken:
            self._wake.clear()
        if self._final is not None and self._final.fileno() in woken:
            self._final = None


class ConditionWaiter:
    """Sleeps on a condition, and looks at the child now and then: where there is no ``poll``."""

    def __init__(self) -> None:
        self._condition = threading.Condition(threading.Lock())
        self._woken = False

    def wake(self) -> None:
        """End the current or next :meth:`wait`."""
        with self._condition:
            self._woken = True
            self._condition.notify()

    def wait(self, child: Child | None, timeout: float | None) -> None:
        """Sleep until woken, or *timeout* seconds are over, or it is time to look at *child*."""
        if child is not None:
            timeout = _LOOK if timeout is None else min(timeout, _LOOK)
        with self._condition:
            self._condition.wait_for(lambda: self._woken, timeout)
            self._woken = False

    def close(self) -> None:
        """There is nothing to release."""
