"""Everything below a process: found by parent, group, session and mark; signalled without hitting strangers.

A leader makes its own session. What leaves it, and even what is daemonised, still carries
``PROCESSMAN_INSTANCE`` and ``PROCESSMAN_ID`` in its environment. On Linux the look at the process table
reads ``/proc`` itself, one small file a process, because it is taken at every crash; elsewhere psutil does.
"""
from __future__ import annotations

import logging
import os
import select
import signal
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

import psutil

logger = logging.getLogger(__name__)

_LINUX = sys.platform == "linux"
_HAS_PIDFD = hasattr(os, "pidfd_open")
#: a pid that nobody has
NOBODY = -1
SIGKILL: int = getattr(signal, "SIGKILL", 9)  # by name absent on Windows, where psutil ends the process


class Entry(NamedTuple):
    """One living process in the table. *start* is in an unknown unit, for comparing only."""

    pid: int
    ppid: int
    pgid: int
    sid: int
    start: float
    name: str


class Snapshot:
    """One look at the process table."""

    def __init__(self, entries: Iterable[Entry], *, unmarked: Collection[int]) -> None:
        self.entries = {entry.pid: entry for entry in entries}
        self._children: dict[int, list[Entry]] = defaultdict(list)
        self._sessions: dict[int, list[Entry]] = defaultdict(list)
        self._marked: dict[tuple[str, str], list[Entry]] = defaultdict(list)
        #: instance and id, by pid
        self.marks: dict[int, tuple[str, str]] = {}
        me = os.getpid()
        for entry in self.entries.values():
            self._children[entry.ppid].append(entry)
            self._sessions[entry.sid].append(entry)
            if entry.pgid != entry.sid:
                self._sessions[entry.pgid].append(entry)
            if entry.pid not in unmarked and entry.pid != me:
                mark = _mark(entry.pid)
                if mark is not None:
                    self.marks[entry.pid] = mark
                    self._marked[mark].append(entry)

    def below(self, pid: int, mark: tuple[str, str]) -> list[Entry]:
        """Return what belongs to the leader *pid*, itself excluded."""
        roots = (*self._children.get(pid, ()), *self._sessions.get(pid, ()), *self._marked.get(mark, ()))
        return [entry for entry in self.with_descendants(root.pid for root in roots) if entry.pid != pid]

    def with_descendants(self, pids: Iterable[int]) -> list[Entry]:
        """Return those of *pids* that live, and all below them, ourselves excluded."""
        found: dict[int, Entry] = {}
        queue = [self.entries[pid] for pid in pids if pid in self.entries]
        while queue:
            entry = queue.pop()
            if entry.pid not in found and entry.pid != os.getpid():
                found[entry.pid] = entry
                queue += self._children.get(entry.pid, ())
        return list(found.values())


def snapshot() -> Snapshot:
    """Look at the whole process table, with every mark in it."""
    return Snapshot(_entries(0.0), unmarked=())


class ProcessTable:
    """Looks at the process table, one look for all who asked before it began."""

    def __init__(self) -> None:
        #: living leaders; they are nobody's descendants, so their marks need not be read
        self.leaders: set[int] = set()
        #: what is older than this is no descendant of ours
        self._since = _now()
        self._changed = threading.Condition(threading.Lock())
        self._begun = self._done = 0
        self._looking = False
        self._latest = Snapshot((), unmarked=())

    def look(self) -> Snapshot:
        """Return a snapshot that was begun after this call."""
        with self._changed:
            wanted = self._begun + 1
            self._changed.wait_for(lambda: self._done >= wanted or not self._looking)
            if self._done >= wanted:
                return self._latest
            self._begun += 1
            number, self._looking = self._begun, True
        try:
            snapshot = Snapshot(_entries(self._since), unmarked=self.leaders)
        except BaseException:
            with self._changed:
                self._looking = False
                self._changed.notify_all()
            raise
        with self._changed:
            self._latest, self._done, self._looking = snapshot, number, False
            self._changed.notify_all()
        return snapshot


class Member:
    """One descendant, held by a pidfd where there is one, so that its pid cannot come to mean another."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.denied = False
        self.pidfd = open_pidfd(entry.pid)
        if not self.is_same():
            self.close()
            raise ProcessLookupError(entry.pid)

    def is_same(self) -> bool:
        """Tell whether the pid still means this process."""
        now = _entry(self.entry.pid)
        return now is not None and now.start == self.entry.start and now.sid == self.entry.sid

    def group(self) -> int:
        """Return the group that it is in by now; it may have left the one it was found in."""
        now = _entry(self.entry.pid)
        return self.entry.pgid if now is None else now.pgid

    def is_alive(self) -> bool:
        """Tell whether it still runs; a zombie does not."""
        if self.pidfd is None:
            return self.is_same()
        poller = select.poll()
        poller.register(self.pidfd, select.POLLIN)
        return not poller.poll(0)

    def send(self, number: int) -> None:
        """Send a signal, and remember when that was not permitted."""
        try:
            if self.pidfd is not None:
                signal.pidfd_send_signal(self.pidfd, number)
            elif self.is_same():
                process = psutil.Process(self.entry.pid)
                process.kill() if number == SIGKILL else process.send_signal(number)
        except (ProcessLookupError, psutil.NoSuchProcess):
            pass
        except (PermissionError, psutil.AccessDenied):
            self.denied = True

    def close(self) -> None:
        """Give the pidfd back."""
        if self.pidfd is not None:
            os.close(self.pidfd)
            self.pidfd = None

    def __str__(self) -> str:
        return f"{self.entry.name} (pid {self.entry.pid}{', not permitted' if self.denied else ''})"


class Tree:
    """What belongs to one leader. Used by one thread."""

    def __init__(self, table: ProcessTable, pid: int, mark: tuple[str, str]) -> None:
        self._table = table
        self._pid = pid
        self._mark = mark
        self._members: dict[int, Member] = {}
        #: what newcomers get
        self._signal: int | None = None

    def look(self) -> bool:
        """Look at the process table, take in what is new, and tell whether anything lives."""
        for entry in self._table.look().below(self._pid, self._mark):
            known = self._members.get(entry.pid)
            if known is None or known.entry.start != entry.start:
                self._adopt(entry)
        return self.lives()

    def lives(self) -> bool:
        """Tell whether any known member lives, without a look at the process table."""
        for pid, member in list(self._members.items()):
            if not member.is_alive():
                member.close()
                del self._members[pid]
        return bool(self._members)

    def send(self, number: int) -> None:
        """Send a signal to all, each once. An unreaped leader pins its group's number, so that is ours."""
        self._signal = number
        if self._pid != NOBODY:
            _signal_group(self._pid, number)
        for member in self._members.values():
            if number == SIGKILL or member.group() != self._pid:
                _send_and_wake(member, number)

    @property
    def has_leader(self) -> bool:
        """Whether the leader's pid still means the leader: nobody has reaped it yet."""
        return self._pid != NOBODY

    def lose_leader(self) -> None:
        """Forget the leader's pid: somebody else reaped it, and it may mean a stranger by now."""
        self._pid = NOBODY

    def pidfds(self) -> list[int] | None:
        """Return what becomes readable when a member dies; ``None`` when only looking tells."""
        fds = [member.pidfd for member in self._members.values()]
        return [fd for fd in fds if fd is not None] if None not in fds else None

    def __iter__(self) -> Iterator[Member]:
        return iter(self._members.values())

    def close(self) -> None:
        """Let go of all members, and of the group, where no look may have caught who forks and exits for ever."""
        if self._pid != NOBODY and hasattr(os, "killpg"):
            _signal_group(self._pid, SIGKILL)
        for member in self._members.values():
            member.close()
        self._members.clear()

    def _adopt(self, entry: Entry) -> None:
        try:
            member = Member(entry)
        except ProcessLookupError:
            return
        if (replaced := self._members.pop(entry.pid, None)) is not None:
            replaced.close()
        self._members[entry.pid] = member
        if self._signal == SIGKILL or (self._signal is not None and entry.pgid != self._pid):
            _send_and_wake(member, self._signal)


def _send_and_wake(member: Member, number: int) -> None:
    member.send(number)
    if number != SIGKILL and hasattr(signal, "SIGCONT"):
        member.send(signal.SIGCONT)  # a stopped process does not see SIGTERM


def _signal_group(pgid: int, number: int) -> None:
    if not hasattr(os, "killpg"):
        _signal_on_windows(pgid, number)
        return
    for each in (number,) if number == SIGKILL else (number, signal.SIGCONT):
        try:
            os.killpg(pgid, each)
        except (ProcessLookupError, PermissionError):
            return  # nobody there, or (macOS) only the zombie; who lives and may not be signalled is reported


def _signal_on_windows(pid: int, number: int) -> None:
    try:
        if number == SIGKILL:
            psutil.Process(pid).kill()
        else:
            os.kill(pid, getattr(signal, "CTRL_BREAK_EVENT", number))  # the one that a program can handle
    except (psutil.Error, OSError) as error:
        logger.debug("cannot signal pid %d: %s", pid, error)


# -- reading the process table --------------------------------------------------
def _entries(since: float) -> Iterator[Entry]:
    pids = (int(name) for name in os.listdir("/proc") if name.isdigit()) if _LINUX else psutil.pids()
    for pid in pids:
        if (entry := _entry(pid, since)) is not None:
            yield entry


def _linux_entry(pid: int, since: float = 0.0) -> Entry | None:
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY)
    except OSError:
        return None
    try:
        data = os.read(fd, 1024)
    except OSError:
        return None
    finally:
        os.close(fd)
    before, _, after = data.rpartition(b") ")
    fields = after.split(b" ", 20)
    start = int(fields[19])
    if start < since or (fields[0] in b"ZX" and int(fields[17]) < 2):  # else only the first thread is over
        return None
    name = before.partition(b"(")[2].decode("utf-8", "replace")
    return Entry(pid, int(fields[1]), int(fields[2]), int(fields[3]), start, name)


def _psutil_entry(pid: int, since: float = 0.0) -> Entry | None:
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            if process.create_time() < since or process.status() == psutil.STATUS_ZOMBIE:
                return None
            pgid, sid = (os.getpgid(pid), os.getsid(pid)) if hasattr(os, "getsid") else (pid, pid)
            return Entry(pid, process.ppid(), pgid, sid, process.create_time(), process.name())
    except (psutil.Error, OSError):
        return None


def _mark(pid: int) -> tuple[str, str] | None:
    try:
        if _LINUX:
            with open(f"/proc/{pid}/environ", "rb", buffering=0) as file:
                data = b"\0" + file.read()
            return _find(data, b"PROCESSMAN_INSTANCE"), _find(data, b"PROCESSMAN_ID")
        environ = psutil.Process(pid).environ()
        return environ["PROCESSMAN_INSTANCE"], environ["PROCESSMAN_ID"]
    except (psutil.Error, OSError, LookupError, ValueError):
        return None


def _find(environ: bytes, name: bytes) -> str:
    start = environ.index(b"\0" + name + b"=") + len(name) + 2
    return environ[start:environ.index(b"\0", start)].decode()


def create_time(pid: int) -> float:
    """Return when *pid* began, in seconds since the epoch; now, when it is gone already."""
    try:
        return psutil.Process(pid).create_time()
    except (psutil.Error, OSError):
        return time.time()


def age(created: float) -> float:
    """Return how many seconds ago a process with this :func:`create_time` began; never negative."""
    if _LINUX:
        # psutil counts from a boot time in whole seconds; the kernel knows better, whatever the wall clock does
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - (created - psutil.boot_time()))
    return max(0.0, time.time() - created)


def _now() -> float:
    if _LINUX:
        return time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK") - 1
    return time.time() - 1


def open_pidfd(pid: int) -> int | None:
    """Return a descriptor that holds *pid*, where the system has such and one is left."""
    if not _HAS_PIDFD:
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None  # no descriptors left, or gone: looked at by pid and start time instead


_entry = _linux_entry if _LINUX else _psutil_entry
