"""What readers are told: a line of output, a gap in it, a change of status."""
from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from .states import Status

Stream = Literal["stdout", "stderr"]
STREAMS: tuple[Stream, ...] = ("stdout", "stderr")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line that a process wrote."""

    #: when it was read, aware UTC
    timestamp: datetime
    process_id: str
    stream: Stream
    #: without its line end, decoded as UTF-8 with replacement
    content: str
    #: numbered from 1 for each process; 0 for what follows the last newline and may still grow
    seq: int
    #: the run that wrote it
    run: int
    #: cut at 16 KiB, or not ended by a newline
    partial: bool = False


@dataclass(frozen=True, slots=True)
class Gap:
    """*missed* lines were dropped before this reader came for them."""

    missed: int


class News(NamedTuple):
    """Lines after a cursor, for who comes again."""

    items: tuple[LogLine, ...]
    #: the cursor to come again with
    next: int
    #: how many lines between the cursor and the first of these were dropped
    missed: int
    #: names this life of the log, to come again with; ``""`` where nothing was started yet
    epoch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A change of one process: *kind* is the status word that was entered, or ``registered``, ``removed``."""

    #: numbered from 1 for each manager
    seq: int
    #: aware UTC
    timestamp: datetime
    process_id: str
    kind: str
    status: Status
