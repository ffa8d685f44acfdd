"""Reaping orphans, where they are given to this process: the first one of a container, or a subreaper.

Only for a program that starts nothing but what is supervised: the children of a host are its own to reap.
"""
from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Collection, Iterator
from contextlib import suppress

#: seconds between two looks while there is a zombie that is not ours to reap, or no child at all
_LOOK = 0.5
_PR_GET_CHILD_SUBREAPER = 37


def begin_to_reap(leaders: Collection[int]) -> None:
    """From now on, reap orphans if they are given to us; *leaders* are reaped by their supervisors."""
    if sys.platform == "linux" and (os.getpid() == 1 or _is_subreaper()):
        threading.Thread(target=_reap_on, args=(leaders,), name="processman-orphans", daemon=True).start()


def _is_subreaper() -> bool:
    answer = ctypes.c_int(0)
    ctypes.CDLL(None).prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(answer), 0, 0, 0)
    return answer.value != 0


def _reap_on(leaders: Collection[int]) -> None:
    pause, seen = threading.Event(), set[int]()
    while True:
        with suppress(ChildProcessError):
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        zombies = [(pid, sid) for pid, sid in _zombies() if pid not in leaders]
        # who leads a session may be a leader so new that it is not among them yet: it is reaped at the second look
        waiting = {pid for pid, sid in zombies if pid == sid} - seen
        for pid, _ in zombies:
            if pid not in waiting:
                with suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)
        seen = waiting
        pause.wait(_LOOK)


def _zombies() -> Iterator[tuple[int, int]]:
    """Find the zombies among our children, each with its session."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
            state, parent, _, session = file.read().rpartition(b")")[2].split()[:4]
            if state == b"Z" and int(parent) == os.getpid():
                yield int(name), int(session)
