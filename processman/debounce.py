"""When changes of files become a restart: after they have come to rest, and not for ever."""
from __future__ import annotations

#: seconds without a change after which it is time
QUIET = 0.5
#: seconds after the first change at which it is time even if changes go on
LIMIT = 2.0


class Debounce:
    """Turns a burst of changes into one: :attr:`deadline` is when to ask :meth:`due`."""

    def __init__(self, quiet: float = QUIET, limit: float = LIMIT) -> None:
        self._quiet = quiet
        self._limit = limit
        self._latest = 0.0
        self.deadline: float | None = None

    def touch(self, now: float) -> None:
        """Take note of a change."""
        if self.deadline is None:
            self._latest = now + self._limit
        self.deadline = min(now + self._quiet, self._latest)

    def due(self, now: float) -> bool:
        """Return whether it is time; if so, begin anew."""
        if self.deadline is None or now < self.deadline:
            return False
        self.deadline = None
        return True

    def clear(self) -> None:
        """Forget the changes so far."""
        self.deadline = None


class ChangeLoop:
    """Notices a process that changes what it watches: *limit* restarts in a row by changes alone, each
    *within* seconds of the start of the run that it ends.
    """

    def __init__(self, limit: int = 5, within: float = 3.0) -> None:
        self._limit = limit
        self._within = within
        self._count = 0

    def restarted(self, age: float) -> bool:
        """Note a restart by a change, *age* seconds after the last start. Return whether it is a loop."""
        self._count = self._count + 1 if age <= self._within else 0
        return self._count >= self._limit

    def reset(self) -> None:
        """Begin to count anew: somebody asked for a start or restart, or the process ended on its own."""
        self._count = 0
