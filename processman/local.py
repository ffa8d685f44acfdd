"""The engine that spawns from the host, and waits for its children without disturbing the host's own.

Popen only spawns. The exit is seen with ``waitid(WNOWAIT)``, which leaves a zombie that pins pid and group
while the rest of the tree is ended and the output drained; only then is it reaped. ``Popen.wait`` and
``psutil.wait`` would take the status, and report 0 where the host took it first.
"""
from __future__ import annotations

import logging
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from typing import Any
from weakref import WeakSet

from .engine import Child, Launch, Waiter
from .journal import Journal
from .lifecycle import Exited, Gone
from .reader import Output
from .states import Exit
from .table import ProcessTable, birth
from .tree import SIGKILL, Tree, open_pidfd
from .wake import Wake

logger = logging.getLogger(__name__)

_HAS_WAITID = hasattr(os, "waitid")
#: seconds between two looks where nothing tells of an end
_LOOK = 0.05
#: what a host may ignore and a child must not inherit so; Popen restores SIGPIPE and SIGXFSZ itself
_INHERITED = [
    getattr(signal, name) for name in (
        "SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGCHLD", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGTSTP",
        "SIGTTIN", "SIGTTOU", "SIGCONT", "SIGWINCH",
    ) if hasattr(signal, name)
]
_OWN_GROUP: Mapping[str, Any] = (
    {"start_new_session": True} if os.name == "posix"
    else {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
)
#: run in the child's place where the host blocks or ignores signals: puts them back, then becomes the child
_LAUNCHER = """
import os, signal, sys
for each in signal.valid_signals():
    try:
        signal.signal(each, signal.SIG_DFL)
    except (OSError, ValueError):
        pass
signal.pthread_sigmask(signal.SIG_SETMASK, ())
locale, *argv = sys.argv[1:]
os.environ.pop("LC_CTYPE", None)  # Python sets it where there is none
if locale:
    os.environ["LC_CTYPE"] = locale
os.execv(argv[0], argv)
"""


class LocalEngine:
    """Makes processes as children of this one."""

    def __init__(self) -> None:
        self._table = ProcessTable()
        #: what all waiters poll beside their own, until it is set
        self._final: Wake | None = None
        self._waiters: WeakSet[Waiter] = WeakSet()

    def reap_orphans(self) -> None:
        """From now on, reap what is given to this process by the system, and is no child of a host."""
        from . import orphans

        orphans.begin_to_reap(self._table.leaders)

    def waiter(self) -> Waiter:
        """Return a place to sleep for one supervisor."""
        waiter = self._waiter()
        self._waiters.add(waiter)
        return waiter

    def _waiter(self) -> Waiter:
        if not hasattr(select, "poll"):
            return ConditionWaiter()
        if self._final is None:
            self._final = Wake()
        return PollWaiter(self._final)

    def wake_all(self) -> None:
        """Wake every supervisor at once: one by one, the first would be reaping before the last is asked to end."""
        final, self._final = self._final, None
        if final is not None:
            final.set()
            return
        for waiter in tuple(self._waiters):
            waiter.wake()

    def spawn(self, launch: Launch, journal: Journal) -> LocalChild:
        """Start a process whose output goes to *journal*. On any error nothing is left."""
        output = Output(journal, launch.run)
        try:
            popen = subprocess.Popen(
                _restoring_signals(launch), cwd=launch.cwd, env=launch.env, stdin=subprocess.DEVNULL,
                stdout=output.stdout, stderr=output.stderr, close_fds=True, **_OWN_GROUP,
            )
        except BaseException:
            output.close_writers()
            output.finish()
            raise
        output.close_writers()
        try:
            return LocalChild(popen, launch, output, self._table)
        except BaseException:  # nobody would hold it, and it would run on
            popen.kill()
            popen.wait()
            output.finish()
            raise


class LocalChild:
    """One process and everything below it. Used by its supervisor thread only."""

    def __init__(self, popen: subprocess.Popen[bytes], launch: Launch, output: Output, table: ProcessTable) -> None:
        self.pid = popen.pid
        self._id = launch.id
        self._popen = popen
        self._output = output
        self._table = table
        self._tree = Tree(table, popen.pid, (launch.instance, launch.id))
        self._exit: Exit | None = None
        self._killing = False
        self.create_time, self.age = birth(popen.pid)
        self.pidfd = open_pidfd(popen.pid)
        table.leaders.add(popen.pid)

    def poll(self) -> Exited | Gone | None:
        """Return the leader's exit once it is over, later the end of the rest of its tree."""
        if self._exit is None:
            self._exit = self._peek()
            if self._exit is None:
                return None
            return Exited(self._exit, rest=self._look())
        if self._tree.lives() or self._look() or self._look():
            return None
        return Gone(self._exit)

    def descriptors(self) -> list[int] | None:
        """Return what becomes readable when :meth:`poll` may have news; ``None`` when only looking tells."""
        if self._exit is None:
            return [self.pidfd] if self.pidfd is not None else None
        return self._tree.pidfds()

    def terminate(self, signal_name: str) -> None:
        """Ask the whole tree to end, each process once."""
        self._look()  # before signalling: orphans cannot be found by their parents any more
        self._send(getattr(signal, signal_name))

    def kill(self) -> None:
        """End the whole tree by force, and what still comes of it."""
        self._killing = True
        self._look()
        self._send(SIGKILL)

    def survivors(self) -> tuple[str, ...]:
        """Name what still lives of the tree."""
        leader = (f"{self._id} (pid {self.pid})",) if self._exit is None else ()
        return leader + tuple(str(member) for member in self._tree)

    def reap(self) -> None:
        """Drain and close the output, then give the pid back."""
        self._tree.close()
        self._output.finish()
        self._table.leaders.discard(self.pid)
        if self.pidfd is not None:
            os.close(self.pidfd)
            self.pidfd = None
        if self._tree.has_leader:  # else the number may mean another child of ours by now
            with suppress(ChildProcessError):  # the host took it
                os.waitpid(self.pid, 0)
        self._popen.returncode = 0  # for Popen it is over; the true status is in our exit

    def _peek(self) -> Exit | None:
        """Return how the leader ended, and leave it a zombie."""
        if not _HAS_WAITID:
            return self._take()
        try:
            result = os.waitid(*self._held(), os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return self._lost()
        if result is None:
            return None
        if result.si_code == os.CLD_EXITED:
            return Exit(code=result.si_status)
        return Exit(signal=_signal_name(result.si_status))

    def _held(self) -> tuple[int, int]:
        """Return what names the leader: by its pid somebody else may be meant, once the host took its status."""
        return (os.P_PID, self.pid) if self.pidfd is None else (os.P_PIDFD, self.pidfd)

    def _take(self) -> Exit | None:
        """Do as :meth:`_peek` where an exit can only be seen by reaping (Windows; macOS before Python 3.13)."""
        if os.name != "posix":
            code = self._popen.poll()
            return None if code is None else Exit(code=code)
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            return self._lost()
        if not pid:
            return None
        self._forget_leader()
        if os.WIFSIGNALED(status):
            return Exit(signal=_signal_name(os.WTERMSIG(status)))
        return Exit(code=os.waitstatus_to_exitcode(status))

    def _lost(self) -> Exit:
        _warn_of_reaping()
        self._forget_leader()
        return Exit()

    def _forget_leader(self) -> None:
        self._popen.returncode = 0
        self._tree.lose_leader()

    def _look(self) -> bool:
        lives = self._tree.look()
        if lives and self._killing:
            self._send(SIGKILL)
        return lives

    def _send(self, number: int) -> None:
        if self._exit is None:
            self._peek()  # whether the leader's number is still pinned
        self._tree.send(number)


class PollWaiter:
    """Sleeps in ``poll``, on the wake descriptor and on what the child gives."""

    def __init__(self, final: Wake) -> None:
        self._wake = Wake()
        #: polled until it is set, which it stays
        self._final: Wake | None = final
        self.wake = self._wake.set
        self.close = self._wake.close

    def wait(self, child: Child | None, timeout: float | None) -> None:
        """Sleep until woken, until *child* may have news, or *timeout* seconds are over."""
        poller = select.poll()
        poller.register(self._wake, select.POLLIN)
        if self._final is not None:
            poller.register(self._final, select.POLLIN)
        descriptors = child.descriptors() if isinstance(child, LocalChild) else []
        if descriptors is None:
            timeout = _LOOK if timeout is None else min(timeout, _LOOK)
        for fd in descriptors or ():
            poller.register(fd, select.POLLIN)
        ready = poller.poll(None if timeout is None else max(0.0, timeout) * 1000)
        woken = [fd for fd, _ in ready]
        if self._wake.fileno() in woken:
            self._wake.clear()
        if self._final is not None and self._final.fileno() in woken:
            self._final = None


class ConditionWaiter:
    """Sleeps on a condition, and looks at the child now and then: where there is no ``poll``."""

    def __init__(self) -> None:
        self._condition = threading.Condition(threading.Lock())
        self._woken = False

    def wake(self) -> None:
        """End the current or next :meth:`wait`."""
        with self._condition:
            self._woken = True
            self._condition.notify()

    def wait(self, child: Child | None, timeout: float | None) -> None:
        """Sleep until woken, or *timeout* seconds are over, or it is time to look at *child*."""
        if child is not None:
            timeout = _LOOK if timeout is None else min(timeout, _LOOK)
        with self._condition:
            self._condition.wait_for(lambda: self._woken, timeout)
            self._woken = False

    def close(self) -> None:
        """There is nothing to release."""


@cache
def _warn_of_reaping() -> None:
    """Say it once: in such a host it happens at every exit."""
    with suppress(Exception):  # of a handler of the host
        logger.warning(
            "exit statuses are unknown: the host process ignores SIGCHLD or waits for any child, "
            "and so takes those of processes that are managed"
        )


def _restoring_signals(launch: Launch) -> tuple[str, ...]:
    """Return the arguments, begun by a launcher where the child would inherit blocked or ignored signals."""
    if not hasattr(signal, "pthread_sigmask") or not sys.executable:
        return launch.argv
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    if blocked or any(signal.getsignal(each) is signal.SIG_IGN for each in _INHERITED):
        return (sys.executable, "-I", "-S", "-c", _LAUNCHER, launch.env.get("LC_CTYPE", ""), *launch.argv)
    return launch.argv


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
