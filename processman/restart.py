"""When a process that ended on its own is started again: the restart policy."""
from __future__ import annotations

from typing import NamedTuple

from .states import Exit, State

#: the longest delay between two retries
CAP = 30.0
#: a run that lasted longer was healthy: its end forgives earlier failures
HEALTHY = 10.0
#: automatic spawns of one process are at least this far apart
FLOOR = 0.1


class Verdict(NamedTuple):
    """What follows an end: the state to enter, the failures in a row by now, and the delay of the retry."""

    state: State
    failures: int = 0
    delay: float = 0.0


class RestartPolicy(NamedTuple):
    """The restart keys of one process. Durations are seconds."""

    restart: str = "always"
    max_retries: int = 10
    backoff: float = 1.0
    success_exit_codes: tuple[int, ...] = (0,)

    def is_fine(self, exit: Exit) -> bool:
        """Tell whether this end is no failure. Under ``always`` every end is one."""
        return self.restart != "always" and exit.code in self.success_exit_codes

    def after_exit(self, exit: Exit, *, lasted: float, failures: int) -> Verdict:
        """Judge a run that ended on its own after *lasted* seconds, *failures* in a row before it."""
        if self.is_fine(exit):
            return Verdict(State.EXITED)
        if lasted > HEALTHY and self.max_retries != 0 and self.restart != "never":
            return Verdict(State.CRASHED)
        return self.after_failure(failures)

    def after_failure(self, failures: int) -> Verdict:
        """Judge one more failure, a quick end or a spawn that the system refused."""
        failures += 1
        if self.restart == "never" or 0 <= self.max_retries < failures:
            return Verdict(State.FAILED, failures)
        return Verdict(State.CRASHED, failures, self.delay(failures))

    def delay(self, failures: int) -> float:
        """Return the seconds before the retry after the n-th failure in a row: min(30 s, backoff * 2^(n-1))."""
        return min(CAP, self.backoff * 2.0 ** min(failures - 1, 60))
