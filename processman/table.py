"""The process table: one cheap look for all who need one, and what is below a leader.

A leader makes its own session. What leaves it, and even what is daemonised, still carries
``PROCESSMAN_INSTANCE`` and ``PROCESSMAN_ID`` in its environment. A look is taken at every crash, so on Linux
it asks each process for its session alone, and reads ``/proc`` only where that is nobody's we know;
elsewhere psutil does.
"""
from __future__ import annotations

import errno
import os
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import NamedTuple

# psutil is imported where it is used: it would be a fifth of our import, and only a manager needs it
_LINUX = sys.platform == "linux"
_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 1


class Entry(NamedTuple):
    """One living process in the table. *start* is in an unknown unit, for comparing only."""

    pid: int
    ppid: int
    pgid: int
    sid: int
    start: float
    name: str


class Snapshot:
    """One look at the process table.

    :param leaders: what leads a tree of ours; whatever is in its session belongs to it.
    :param since: what is older is nobody's descendant.
    """

    def __init__(self, *, leaders: Collection[int] = (), since: float = 0.0) -> None:
        self._sessions: dict[int, list[int]] = defaultdict(list)
        self._children: dict[int, list[Entry]] = defaultdict(list)
        self._marked: dict[tuple[str, str], list[Entry]] = defaultdict(list)
        #: who is in no session that we know
        self.strays: dict[int, Entry] = {}
        #: their instances and ids
        self.marks: dict[int, tuple[str, str]] = {}
        # those of the kernel and of the host: no descendant of ours can ever enter them
        foreign = {0, _session(0)} - {None}
        for pid in _pids():
            sid = _session(pid)
            if sid is not None and sid in leaders:
                self._sessions[sid].append(pid)
            elif sid not in foreign and (entry := find(pid, since=since)) is not None:
                self._add(entry)

    def _add(self, entry: Entry) -> None:
        self.strays[entry.pid] = entry
        self._children[entry.ppid].append(entry)
        mark = _mark(entry.pid)
        if mark is not None:
            self.marks[entry.pid] = mark
            self._marked[mark].append(entry)

    def below(self, leader: int, mark: tuple[str, str]) -> list[Entry]:
        """Return what belongs to *leader*, itself excluded."""
        near = (
            entry for pid in self._sessions.get(leader, ())
            if pid != leader and (entry := find(pid)) is not None and entry.sid == leader  # still
        )
        far = (*self._children.get(leader, ()), *self._marked.get(mark, ()))
        return self.with_descendants((*near, *far))

    def with_descendants(self, roots: Iterable[Entry]) -> list[Entry]:
        """Return *roots* and all below them, ourselves excluded."""
        found: dict[int, Entry] = {}
        queue = list(roots)
        while queue:
            entry = queue.pop()
            if entry.pid not in found and entry.pid != os.getpid():
                found[entry.pid] = entry
                queue += self._children.get(entry.pid, ())
        return list(found.values())


class ProcessTable:
    """Looks at the process table, one look for all who asked before it began."""

    def __init__(self) -> None:
        #: pids of the living leaders that nobody has reaped, so that they mean these and no others
        self.leaders: set[int] = set()
        self._since = _now()
        self._changed = threading.Condition(threading.Lock())
        self._begun = self._done = 0
        self._looking = False
        self._latest: Snapshot | None = None

    def look(self) -> Snapshot:
        """Return a snapshot that was begun after this call."""
        with self._changed:
            wanted = self._begun + 1
            self._changed.wait_for(lambda: self._done >= wanted or not self._looking)
            if self._latest is not None and self._done >= wanted:
                return self._latest
            self._begun += 1
            number, self._looking = self._begun, True
        snapshot = None
        try:
            snapshot = Snapshot(leaders=self.leaders, since=self._since)
        finally:
            with self._changed:
                self._looking = False
                if snapshot is not None:
                    self._latest, self._done = snapshot, number
                self._changed.notify_all()
        return snapshot


def import_psutil() -> None:
    """Import psutil now."""
    import psutil  # noqa: F401


def _pids() -> Iterable[int]:
    if _LINUX:
        return map(int, filter(str.isdigit, os.listdir("/proc")))
    import psutil

    return psutil.pids()


def _session(pid: int) -> int | None:
    """Return the session of *pid*; ``None`` when it is gone, or where there are none."""
    try:
        return os.getsid(pid)
    except (OSError, AttributeError):
        return None


def _linux_entry(pid: int, *, since: float = 0.0) -> Entry | None:
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY)
    except OSError as error:
        _check_gone(error)
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


def _check_gone(error: OSError) -> None:
    """Take *error* for the end of a process, unless it is the want of a descriptor to look with."""
    if error.errno in (errno.EMFILE, errno.ENFILE):
        raise error


def _psutil_entry(pid: int, *, since: float = 0.0) -> Entry | None:
    import psutil

    try:
        process = psutil.Process(pid)
        with process.oneshot():
            if process.create_time() < since or process.status() == psutil.STATUS_ZOMBIE:
                return None
            pgid, sid = (os.getpgid(pid), os.getsid(pid)) if hasattr(os, "getsid") else (pid, pid)
            return Entry(pid, process.ppid(), pgid, sid, process.create_time(), process.name())
    except (psutil.Error, OSError):
        return None


def _linux_mark(pid: int) -> tuple[str, str] | None:
    try:
        with open(f"/proc/{pid}/environ", "rb", buffering=0) as file:
            data = b"\0" + file.read()
        return _find(data, b"PROCESSMAN_INSTANCE"), _find(data, b"PROCESSMAN_ID")
    except OSError as error:
        _check_gone(error)
        return None
    except ValueError:
        return None


def _psutil_mark(pid: int) -> tuple[str, str] | None:
    import psutil

    try:
        environ = psutil.Process(pid).environ()
        return environ["PROCESSMAN_INSTANCE"], environ["PROCESSMAN_ID"]
    except (psutil.Error, OSError, LookupError):
        return None


def _find(environ: bytes, name: bytes) -> str:
    start = environ.index(b"\0" + name + b"=") + len(name) + 2
    return environ[start:environ.index(b"\0", start)].decode()


def listening(pid: int) -> list[int]:
    """Return the ports of TCP that *pid* listens on."""
    import psutil

    try:
        process = psutil.Process(pid)
        ask = getattr(process, "net_connections", None) or process.connections  # its name before psutil 6
        return [each.laddr.port for each in ask("tcp") if each.status == psutil.CONN_LISTEN]
    except (psutil.Error, OSError):
        return []


def create_time(pid: int) -> float:
    """Return when *pid* began, in seconds since the epoch; now, when it is gone already."""
    return birth(pid)[0]


def birth(pid: int) -> tuple[float, float]:
    """Return when *pid* began, in seconds since the epoch as psutil tells it, and how many seconds ago."""
    import psutil

    try:
        entry = find(pid) if _LINUX else None
        boot = psutil.boot_time() if _LINUX else 0.0
        # what psutil tells, in a third of the time
        created = psutil.Process(pid).create_time() if entry is None else entry.start / _TICKS + boot
    except (psutil.Error, OSError):
        return time.time(), 0.0
    # psutil counts from a boot time in whole seconds; the kernel knows better, whatever the wall clock does
    now = time.clock_gettime(time.CLOCK_BOOTTIME) if _LINUX else time.time()
    return created, max(0.0, now - (created - boot))


def _now() -> float:
    if _LINUX:
        return time.clock_gettime(time.CLOCK_BOOTTIME) * _TICKS - 1
    return time.time() - 1


#: returns the entry of a pid; ``None`` when it is gone, a zombie, or older than *since*
find = _linux_entry if _LINUX else _psutil_entry
_mark = _linux_mark if _LINUX else _psutil_mark
