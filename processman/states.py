"""What a process can be: the seven status words, how a run ended, and a snapshot of one process."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .config import ProcessConfig


class State(StrEnum):
    """The status words, one vocabulary in code and on the wire."""

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    CRASHED = "crashed"
    EXITED = "exited"
    FAILED = "failed"


#: A run is under way: something of it may be alive.
ALIVE = frozenset({State.STARTING, State.RUNNING, State.STOPPING})
#: Asking for a start here is an error: it has been granted already.
UP = frozenset({State.STARTING, State.RUNNING})
#: What a change of the watched files restarts or retries.
RELOADABLE = frozenset({State.RUNNING, State.CRASHED, State.FAILED})


@dataclass(frozen=True, slots=True)
class Exit:
    """How a run ended: a *code*, or the name of a *signal*, or neither for a reason that is *unknown*'s."""

    code: int | None = None
    signal: str | None = None
    #: why neither is known
    unknown: str = "it was taken by the host process"

    def __str__(self) -> str:
        if self.signal is not None:
            return f"killed by {self.signal}"
        if self.code is not None:
            return f"exit code {self.code}"
        return f"exit status unknown: {self.unknown}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A snapshot of one process. Times are aware UTC, durations seconds."""

    id: str
    status: State
    config: ProcessConfig
    pid: int | None = None
    #: when the newest run was spawned; ``None`` before the first
    start_time: datetime | None = None
    #: seconds; ``None`` when not running
    uptime: float | None = None
    restart_count: int = 0
    #: the last failure in words, with secrets masked
    last_error: str = ""
    exit_code: int | None = None
    #: name of the signal that ended the last run, such as ``SIGKILL``
    signal: str | None = None
    #: number of spawn attempts so far
    run: int = 0
    next_retry_at: datetime | None = None
    #: what of the tree could not be ended
    escaped: tuple[str, ...] = ()
    #: ``None``, ``"on"`` or ``"degraded: why"``
    watch: str | None = None
    #: the interpreter that was chosen for the newest run; ``""`` before it, and for a command
    interpreter: str = ""
    #: why it is ``stopping``, and so what follows: a word of :class:`~processman.lifecycle.Wish`
    then: str = field(default="", repr=False, compare=False)
    #: monotonic time of the start of this run; ``None`` when there is no process
    since: float | None = field(default=None, repr=False, compare=False)
    #: masks this run's resolved secrets in any text
    redact: Callable[[str], str] = field(default=str, repr=False, compare=False)

    def __reduce__(self) -> tuple[object, ...]:
        # without *redact*, which knows the secrets: they stay where the run is
        return _remade, _values(self)


_NAMES = tuple(each.name for each in fields(Status) if each.name != "redact")
_values = attrgetter(*_NAMES)


def _remade(*values: Any) -> Status:
    return Status(**dict(zip(_NAMES, values, strict=True)))
