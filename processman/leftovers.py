"""Ending what a killed manager left behind, before anything is spawned again."""
from __future__ import annotations

import logging
import select
import signal
import threading
import time
from pathlib import Path

from . import ledger
from .table import Entry, Snapshot, create_time
from .tree import SIGKILL, Member

logger = logging.getLogger(__name__)

#: seconds between SIGTERM and SIGKILL
GRACE = 5.0
#: seconds after SIGKILL
PATIENCE = 2.0
_LOOK = 0.05


def end_leftovers(directory: Path) -> None:
    """End what ledgers of managers that are gone name in the data *directory*, and forget those."""
    with ledger.leftovers(directory) as found:
        for leftover in found:
            survivors = _end(leftover)
            if survivors:
                logger.error("cannot end what a killed manager left: %s", ", ".join(survivors))
            else:
                leftover.forget()


def _end(leftover: ledger.Leftover) -> tuple[str, ...]:
    for number, patience in ((int(signal.SIGTERM), GRACE), (SIGKILL, PATIENCE)):
        deadline = time.monotonic() + patience
        signalled: set[tuple[int, float]] = set()
        while (entries := _entries(leftover, Snapshot())) and time.monotonic() < deadline:
            new = [entry for entry in entries if (entry.pid, entry.start) not in signalled]
            signalled.update((entry.pid, entry.start) for entry in new)
            for entry in new:
                logger.warning("ending %s (pid %d), left by a killed manager", entry.name, entry.pid)
            _signal_and_wait(entries, new, number, deadline)
    return tuple(f"{entry.name} (pid {entry.pid})" for entry in _entries(leftover, Snapshot()))


def _entries(leftover: ledger.Leftover, now: Snapshot) -> list[Entry]:
    """Return what carries the mark of *leftover* or is a leader that it recorded, and all below."""
    recorded = {one.pid: one.create_time for one in leftover.processes}
    return now.with_descendants(
        entry for pid, entry in now.strays.items()
        if now.marks.get(pid, ("",))[0] == leftover.instance
        or (pid in recorded and create_time(pid) == recorded[pid])
    )


def _signal_and_wait(entries: list[Entry], new: list[Entry], number: int, deadline: float) -> None:
    """Signal the *new* ones; return when any of *entries* is over, for others may have come of it."""
    members = []
    for entry in entries:
        try:
            members.append(Member(entry))
        except ProcessLookupError:
            continue
    for member in members:
        if member.entry in new:
            member.send(number)
    try:
        _wait_for_any(members, deadline)
    finally:
        for member in members:
            member.close()


def _wait_for_any(members: list[Member], deadline: float) -> None:
    left = max(0.0, deadline - time.monotonic())
    descriptors = [member.pidfd for member in members if member.pidfd is not None]
    if len(descriptors) < len(members) or not hasattr(select, "poll"):
        threading.Event().wait(min(left, _LOOK))  # nothing tells of an end: look now and then
        return
    poller = select.poll()
    for fd in descriptors:
        poller.register(fd, select.POLLIN)
    if members:
        poller.poll(left * 1000)
