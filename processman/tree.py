"""Everything below a process, held so that no signal can hit a stranger."""
from __future__ import annotations

import logging
import os
import select
import signal
from collections.abc import Iterator

from .table import Entry, ProcessTable, find

logger = logging.getLogger(__name__)

_HAS_PIDFD = hasattr(os, "pidfd_open")
#: a pid that nobody has
NOBODY = -1
SIGKILL: int = getattr(signal, "SIGKILL", 9)  # by name absent on Windows, where psutil ends the process


def open_pidfd(pid: int) -> int | None:
    """Return a descriptor that holds *pid*, where the system has such and one is left."""
    if not _HAS_PIDFD:
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None  # no descriptors left, or gone: looked at by pid and start time instead


class Member:
    """One descendant, held by a pidfd where there is one, so that its pid cannot come to mean another."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.denied = False
        self.pidfd = open_pidfd(entry.pid)
        try:
            if not self.is_same():
                raise ProcessLookupError(entry.pid)
        except OSError:
            self.close()
            raise

    def is_same(self) -> bool:
        """Tell whether the pid still means this process."""
        now = find(self.entry.pid)
        return now is not None and now.start == self.entry.start and now.sid == self.entry.sid

    def group(self) -> int:
        """Return the group that it is in by now; it may have left the one it was found in."""
        try:
            now = find(self.entry.pid)
        except OSError:  # no descriptors left
            now = None
        return self.entry.pgid if now is None else now.pgid

    def is_alive(self) -> bool:
        """Tell whether it still runs; a zombie does not."""
        if self.pidfd is None:
            try:
                return self.is_same()
            except OSError:  # no descriptors left: as far as is known
                return True
        poller = select.poll()
        poller.register(self.pidfd, select.POLLIN)
        return not poller.poll(0)

    def send(self, number: int) -> None:
        """Send a signal that ends, and remember when that was not permitted."""
        for each in _heard(number):
            self._send(each)

    def _send(self, number: int) -> None:
        try:
            if self.pidfd is not None:
                signal.pidfd_send_signal(self.pidfd, number)
            elif self.is_same():
                _signal_by_pid(self.entry.pid, number)
        except ProcessLookupError:
            pass
        except PermissionError:
            self.denied = True
        except OSError as error:
            logger.warning("cannot signal %s: %s", self, error)

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
        #: the last look failed, for want of a descriptor
        self._blind = False

    def look(self) -> bool:
        """Look at the process table, take in what is new, and tell whether anything lives, or may live."""
        try:
            for entry in self._table.look().below(self._pid, self._mark):
                known = self._members.get(entry.pid)
                if known is None or known.entry.start != entry.start:
                    self._adopt(entry)
        except OSError as error:
            if not self._blind:
                logger.warning("cannot look for descendants of process %r: %s", self._mark[1], error)
            self._blind = True
            return True
        self._blind = False
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
                member.send(number)

    @property
    def has_leader(self) -> bool:
        """Whether the leader's pid still means the leader: nobody has reaped it yet."""
        return self._pid != NOBODY

    def lose_leader(self) -> None:
        """Forget the leader's pid: somebody else reaped it, and it may mean a stranger by now."""
        self._table.leaders.discard(self._pid)
        self._pid = NOBODY

    def pidfds(self) -> list[int] | None:
        """Return what becomes readable when a member dies; ``None`` when only looking tells."""
        if self._blind:
            return None
        fds = [member.pidfd for member in self._members.values()]
        return [fd for fd in fds if fd is not None] if None not in fds else None

    def __iter__(self) -> Iterator[Member]:
        return iter(self._members.values())

    def close(self) -> None:
        """Let go of all members, and of the group, where no look may have caught who forks and exits for ever."""
        if self._pid != NOBODY and hasattr(os, "killpg"):
            _signal_group(self._pid, SIGKILL)
        self.leave()

    def leave(self) -> None:
        """Let go of all members, and harm none."""
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
            member.send(self._signal)


def _heard(number: int) -> tuple[int, ...]:
    """Return *number* and what makes it heard: a stopped process does not see SIGTERM."""
    return (number,) if number == SIGKILL or not hasattr(signal, "SIGCONT") else (number, signal.SIGCONT)


def _signal_group(pgid: int, number: int) -> None:
    if not hasattr(os, "killpg"):
        _signal_on_windows(pgid, number)
        return
    for each in _heard(number):
        try:
            os.killpg(pgid, each)
        except (ProcessLookupError, PermissionError):
            return  # nobody there, or (macOS) only the zombie; who lives and may not be signalled is reported


def _signal_on_windows(pid: int, number: int) -> None:
    try:
        if number == SIGKILL:
            _signal_by_pid(pid, number)
        else:
            os.kill(pid, getattr(signal, "CTRL_BREAK_EVENT", number))  # the one that a program can handle
    except OSError as error:
        logger.debug("cannot signal pid %d: %s", pid, error)


def _signal_by_pid(pid: int, number: int) -> None:
    """Signal where there is no pidfd; psutil looks once more whether the pid still means the same process."""
    import psutil

    try:
        process = psutil.Process(pid)
        process.kill() if number == SIGKILL else process.send_signal(number)
    except psutil.NoSuchProcess as error:
        raise ProcessLookupError(pid) from error
    except psutil.AccessDenied as error:
        raise PermissionError(pid) from error
