"""One running process and everything below it, whichever engine made it."""
from __future__ import annotations

import signal
from typing import Protocol

from .lifecycle import Exited, Gone
from .reader import Output
from .states import Exit
from .table import ProcessTable, birth
from .tree import SIGKILL, Tree


class Leader(Protocol):
    """How an engine holds the process that leads a tree: its end is seen first, and reaped last."""

    pid: int
    #: the pid still means it: nobody has reaped it
    held: bool

    def descriptors(self) -> list[int] | None:
        """Return what becomes readable at its end; ``None`` where only looking tells."""
        ...

    def peek(self) -> Exit | None:
        """Return how it ended, again and again; ``None`` while it runs."""
        ...

    def reap(self) -> None:
        """Give the pid back."""
        ...

    def leave(self) -> None:
        """Hold it no longer; it goes on."""
        ...


class TreeChild:
    """One process and everything below it. Used by its supervisor thread only."""

    def __init__(self, leader: Leader, mark: tuple[str, str], output: Output, table: ProcessTable) -> None:
        self.pid = leader.pid
        self._id = mark[1]
        self._leader = leader
        self._output = output
        self._table = table
        self._tree = Tree(table, leader.pid, mark)
        self._exit: Exit | None = None
        self._killing = False
        self.create_time, self.age = birth(leader.pid)
        table.leaders.add(leader.pid)

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
        return self._leader.descriptors() if self._exit is None else self._tree.pidfds()

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
        self._leader.reap()

    def leave(self) -> None:
        """Let go of it: it goes on, and who leads next holds it. What it has not said yet is left to that one."""
        self._tree.leave()
        self._output.finish(drain=False)
        self._table.leaders.discard(self.pid)
        self._leader.leave()

    def _peek(self) -> Exit | None:
        ended = self._leader.peek()
        if not self._leader.held:
            self._tree.lose_leader()
        return ended

    def _look(self) -> bool:
        lives = self._tree.look()
        if lives and self._killing:
            self._send(SIGKILL)
        return lives

    def _send(self, number: int) -> None:
        if self._exit is None:
            self._peek()  # whether the leader's number is still pinned
        self._tree.send(number)


def signal_name(number: int) -> str:
    """Return the name of a signal."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
