"""The seam between supervising and running: what makes a process, and one that runs.

:class:`~processman.local.LocalEngine` spawns from the host. Everything asynchronous comes as news: the
supervisor waits, then polls.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from .configured import Configured
from .journal import Journal
from .lifecycle import Exited, Gone, Past
from .states import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One spawn, fully resolved. Never shown: *env* and *argv* hold secrets in the clear."""

    argv: tuple[str, ...] = field(repr=False)
    cwd: str
    env: Mapping[str, str] = field(repr=False)
    #: ``PROCESSMAN_INSTANCE`` and ``PROCESSMAN_ID``, by which descendants are recognised
    instance: str
    id: str
    run: int
    #: how it is ended when nobody is left to ask for it
    stop_signal: str
    stop_timeout: float


class Child(Protocol):
    """One running process and everything below it. Used by its supervisor thread only."""

    pid: int
    #: seconds since the epoch, as the system tells it; with the pid it is the identity of the process
    create_time: float
    #: how many seconds before it came into our hands it began
    age: float

    def poll(self) -> Exited | Gone | None:
        """Return the next news, each once: the leader's exit, later the end of the rest of its tree."""
        ...

    def terminate(self, signal: str) -> None:
        """Ask the whole tree to end, each process once."""
        ...

    def kill(self) -> None:
        """End the whole tree, and what still comes of it."""
        ...

    def survivors(self) -> tuple[str, ...]:
        """Name what still lives of the tree."""
        ...

    def reap(self) -> None:
        """Drain and close the output, then give the pid back. After this the child is over."""
        ...

    def leave(self) -> None:
        """Let go of it: it goes on, and somebody else holds it."""
        ...

    def descriptors(self) -> list[int] | None:
        """Return what becomes readable when :meth:`poll` may have news; ``None`` when only looking tells."""
        ...


class Waiter(Protocol):
    """Where one supervisor sleeps."""

    def wake(self) -> None:
        """End the current or next :meth:`wait`. Any thread."""
        ...

    def wait(self, child: Child | None, timeout: float | None) -> None:
        """Sleep until woken, until *child* may have news, or *timeout* seconds are over."""
        ...

    def close(self) -> None:
        """Release what the waiter holds."""
        ...


class Engine(Protocol):
    """What makes processes."""

    def waiter(self) -> Waiter:
        """Return a place to sleep for one supervisor."""
        ...

    def wake_all(self) -> None:
        """Wake every supervisor that sleeps here, all at once. Any thread."""
        ...

    #: by it descendants are recognised
    instance: str

    def past(self, id: str) -> Past | None:
        """Return where an earlier owner left process *id*."""
        ...

    def left(self) -> Sequence[Configured]:
        """Return what an earlier owner left and nobody has asked about."""
        ...

    def removed(self, configured: Configured) -> bool:
        """Tell whether somebody has removed just this."""
        ...

    def remember(self, status: Status, configured: Configured) -> None:
        """Note what an owner after us has to know. Any thread."""
        ...

    def forget(self, configured: Configured) -> None:
        """Note that it is removed. Any thread."""
        ...

    def keep(self, journal: Journal, *, past: bool) -> None:
        """Keep the lines of *journal* for an owner after us; with *past* it goes on where an earlier one was."""
        ...

    def dismiss(self, id: str) -> None:
        """Forget what an earlier owner noted of *id*."""
        ...

    def adopt(self, id: str, run: int, journal: Journal) -> Child:
        """Take over the process that an earlier owner left running; its output goes to *journal*.

        :raises OSError: there is none any more.
        """
        ...

    def spawn(self, launch: Launch, journal: Journal) -> Child:
        """Start a process whose output goes to *journal*.

        :raises OSError: the system refused.
        :raises ValueError: an argument is impossible.
        """
        ...
