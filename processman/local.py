"""The engine that spawns from the host, and waits for its children without disturbing the host's own.

Popen only spawns. The exit is seen with ``waitid(WNOWAIT)``, which leaves a zombie that pins pid and group
while the rest of the tree is ended and the output drained; only then is it reaped. ``Popen.wait`` and
``psutil.wait`` would take the status, and report 0 where the host took it first.
"""
from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from typing import Any

from .child import TreeChild, signal_name
from .configured import Configured
from .engine import Launch
from .journal import Journal
from .reader import Output
from .states import Exit, Status
from .table import ProcessTable
from .tree import open_pidfd
from .waiters import Waiters

logger = logging.getLogger(__name__)

_HAS_WAITID = hasattr(os, "waitid")
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
        self.instance = os.urandom(8).hex()
        self._table = ProcessTable()
        waiters = Waiters()
        self.waiter = waiters.make
        self.wake_all = waiters.wake_all

    def reap_orphans(self) -> None:
        """From now on, reap what is given to this process by the system, and is no child of a host."""
        from . import orphans

        orphans.begin_to_reap(self._table.leaders)

    def past(self, id: str) -> None:
        """Return ``None``: what it made before is over with who made it."""

    def left(self) -> tuple[Configured, ...]:
        """Return nothing, likewise."""
        return ()

    def removed(self, configured: Configured) -> bool:  # noqa: ARG002
        """Return ``False``, likewise."""
        return False

    def remember(self, status: Status, configured: Configured) -> None:
        """Remember nothing."""

    def forget(self, configured: Configured) -> None:
        """Remember nothing."""

    def keep(self, journal: Journal, *, past: bool) -> None:
        """Keep nothing."""

    def dismiss(self, id: str) -> None:
        """Forget nothing."""

    def adopt(self, id: str, run: int, journal: Journal) -> TreeChild:
        """Not possible."""
        raise NotImplementedError

    def spawn(self, launch: Launch, journal: Journal) -> TreeChild:
        """Start a process whose output goes to *journal*. On any error nothing is left."""
        output = Output(journal, launch.run)
        try:
            popen = subprocess.Popen(
                _restoring_signals(launch), cwd=launch.cwd, env=launch.env, stdin=subprocess.DEVNULL,
                stdout=output.writers[0], stderr=output.writers[1], close_fds=True, **_OWN_GROUP,
            )
        except BaseException:
            output.close_writers()
            output.finish()
            raise
        output.close_writers()
        leader = Spawned(popen)
        try:
            return TreeChild(leader, (launch.instance, launch.id), output, self._table)
        except BaseException:  # nobody would hold it, and it would run on
            popen.kill()
            leader.reap()
            output.finish()
            raise


class Spawned:
    """A leader that is a child of this process."""

    def __init__(self, popen: subprocess.Popen[bytes]) -> None:
        self.pid = popen.pid
        self.held = True
        self._popen = popen
        self._pidfd = open_pidfd(popen.pid)

    def descriptors(self) -> list[int] | None:
        """Return what becomes readable at its end; ``None`` where only looking tells."""
        return [self._pidfd] if self._pidfd is not None else None

    def peek(self) -> Exit | None:
        """Return how it ended, and leave it a zombie."""
        if not _HAS_WAITID:
            return self._take()
        try:
            result = os.waitid(*self._named(), os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return self._lost()
        if result is None:
            return None
        if result.si_code == os.CLD_EXITED:
            return Exit(code=result.si_status)
        return Exit(signal=signal_name(result.si_status))

    def reap(self) -> None:
        """Give the pid back."""
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None
        if self.held:  # else the number may mean another child of ours by now
            with suppress(ChildProcessError):  # the host took it
                os.waitpid(self.pid, 0)
        self._popen.returncode = 0  # for Popen it is over; the true status is in our exit

    def leave(self) -> None:
        """Not possible: who starts it is its parent."""
        raise NotImplementedError

    def _named(self) -> tuple[int, int]:
        """Return what names it: by its pid somebody else may be meant, once the host took its status."""
        return (os.P_PID, self.pid) if self._pidfd is None else (os.P_PIDFD, self._pidfd)

    def _take(self) -> Exit | None:
        """Do as :meth:`peek` where an exit can only be seen by reaping (Windows; macOS before Python 3.13)."""
        if os.name != "posix":
            code = self._popen.poll()
            return None if code is None else Exit(code=code)
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            return self._lost()
        if not pid:
            return None
        self._forget()
        if os.WIFSIGNALED(status):
            return Exit(signal=signal_name(os.WTERMSIG(status)))
        return Exit(code=os.waitstatus_to_exitcode(status))

    def _lost(self) -> Exit:
        _warn_of_reaping()
        self._forget()
        return Exit()

    def _forget(self) -> None:
        self._popen.returncode = 0
        self.held = False


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
