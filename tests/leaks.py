"""What a test leaves behind: threads, processes, descriptors.

A process is ours when it carries :data:`MARK` in its environment, which everything started by this test run
inherits; so tests that run at the same time on one machine do not see each other's children.
"""
from __future__ import annotations

import contextlib
import gc
import os
import secrets
import signal
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

MARK = "TEST_RUN_MARK"
PROC = Path("/proc")
LINUX = (PROC / "self" / "task").exists()

os.environ[MARK] = secrets.token_hex(8)


def _threads() -> dict[int, str]:
    """Every thread of this process by its system id, those that Python does not know of included."""
    known = {thread.native_id or 0: thread.name for thread in threading.enumerate()}
    if not LINUX:
        return known
    tasks = (int(path.name) for path in (PROC / "self" / "task").iterdir())
    return {task: known.get(task, "not made by Python") for task in tasks}


def _descriptors() -> Counter[str]:
    """What is open, by target. The look itself needs one, which has gone when it is asked for."""
    targets: Counter[str] = Counter()
    if LINUX:
        for descriptor in (PROC / "self" / "fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                targets[str(descriptor.readlink())] += 1
    return targets


def _children() -> set[int]:
    """Direct children, zombies included."""
    found: set[int] = set()
    for task in (PROC / "self" / "task").glob("*/children"):
        with contextlib.suppress(OSError):
            found |= {int(pid) for pid in task.read_text().split()}
    return found


def _marked() -> set[int]:
    """Whatever was started in this test run, wherever it is in the tree by now."""
    mark, found = f"{MARK}={os.environ.get(MARK)}".encode(), set()
    for path in PROC.iterdir() if LINUX else ():
        if path.name.isdigit() and int(path.name) != os.getpid():
            with contextlib.suppress(OSError):
                if mark in (path / "environ").read_bytes().split(b"\0"):
                    found.add(int(path.name))
    return found


def describe(pid: int) -> str:
    """Name a process for the person who has to find out where it came from."""
    try:
        state = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0]
        command = (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return f"process {pid} (gone meanwhile)"
    return f"process {pid} [{state}] {command.strip() or '(zombie)'}"


@dataclass(frozen=True)
class Snapshot:
    """What there was before a test; *whole* also looks at every process of the machine."""

    threads: dict[int, str]
    descriptors: Counter[str]
    processes: set[int]
    whole: bool

    @classmethod
    def take(cls, *, whole: bool) -> Snapshot:
        """Look around now."""
        processes = _children() | (_marked() if whole else set())
        return cls(_threads(), _descriptors(), processes, whole)

    def news(self) -> tuple[str, ...]:
        """Name what has come since and is still here."""
        now = Snapshot.take(whole=self.whole)
        threads = [f"thread {name!r}" for task, name in now.threads.items() if task not in self.threads]
        open_now = [f"descriptor of {target}" for target in (now.descriptors - self.descriptors).elements()]
        return (*threads, *open_now, *(describe(pid) for pid in sorted(now.processes - self.processes)))

    def left(self, timeout: float) -> tuple[str, ...]:
        """Wait until nothing new is here; name what is still there after *timeout* seconds."""
        deadline, pause = time.monotonic() + timeout, threading.Event()
        if not self.news():
            return ()
        gc.collect()
        while (news := self.news()) and time.monotonic() < deadline:
            pause.wait(0.01)
        return news

    def clean(self) -> None:
        """End the processes that were left, so that one bad test does not spoil the next."""
        for pid in (_children() | _marked()) - self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in _children() - self.processes:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
