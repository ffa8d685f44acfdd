"""Signals are for the threads of the host: which of ours may get one.

A handler that is not Python's runs in whichever thread the system chose, and uWSGI, for one, does not end when
that is none of its own.
"""
from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

_HAS_MASKS = hasattr(signal, "pthread_sigmask")
#: what a thread does to itself
_FAULTS = {
    getattr(signal, name) for name in ("SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGABRT") if hasattr(signal, name)
}


def blocked() -> set[int]:
    """Return what this thread leaves to others."""
    return set(signal.pthread_sigmask(signal.SIG_BLOCK, ())) if _HAS_MASKS else set()


def block(numbers: Iterable[int]) -> None:
    """Leave *numbers* to others, and nothing else. What is spawned from here does not get them either."""
    if _HAS_MASKS:
        signal.pthread_sigmask(signal.SIG_SETMASK, numbers)


@contextmanager
def left_to_others() -> Iterator[None]:
    """Have the threads that begin here, and those that they begin, get no signals."""
    before = blocked()
    block(signal.valid_signals() - _FAULTS)
    try:
        yield
    finally:
        block(before)
