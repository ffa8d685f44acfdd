"""Who a thread works for, and waiting that ends when nobody is left to hear of it."""
from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: seconds between two looks at whether who asked is still there
_LOOK = 1.0
_local = threading.local()


class CallerGone(Exception):
    """Who asked for what this thread waits for is gone."""


@contextmanager
def working_for(is_gone: Callable[[], bool]) -> Iterator[None]:
    """Do what somebody asked who may be gone before it is done; others work for who waits for them."""
    _local.is_gone = is_gone
    try:
        yield
    finally:
        del _local.is_gone


def wait_for(changed: threading.Condition, fulfilled: Callable[[], object], timeout: float | None) -> bool:
    """Wait on *changed*, which is held, until *fulfilled*; ``False`` when *timeout* seconds are over.

    :raises CallerGone: who asked this thread is.
    """
    is_gone: Callable[[], bool] | None = getattr(_local, "is_gone", None)
    if is_gone is None:
        return bool(changed.wait_for(fulfilled, timeout))
    deadline = None if timeout is None else time.monotonic() + timeout
    while not changed.wait_for(fulfilled, _LOOK if deadline is None else min(_LOOK, deadline - time.monotonic())):
        if deadline is not None and time.monotonic() >= deadline:
            return False
        if is_gone():
            raise CallerGone
    return True
