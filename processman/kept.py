"""The engine that asks a keeper to spawn: its processes outlive this one, and who leads next finds them running."""
from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from .channel import Channel
from .child import TreeChild, signal_name
from .configured import Configured
from .engine import Launch
from .journal import Journal
from .lease import Grant, Lease
from .lifecycle import Past
from .reader import Output
from .states import ALIVE, Exit, State, Status
from .table import ProcessTable
from .waiters import Waiters

#: seconds that an answer of the keeper, or a new keeper, is waited for; and to hear that there is another
_PATIENCE, _MOMENT = 10.0, 1.0


class KeptEngine:
    """Makes processes through a keeper. Who has its *grant* may do so, and nobody else."""

    def __init__(self, lease: Lease, grant: Grant) -> None:
        self.instance = lease.instance
        self._lease, self._key = lease, grant.key
        self._notes, self._children = dict(grant.notes), dict(grant.children)
        self._removed = {id: note["removed"] for id, note in grant.notes.items() if "removed" in note}
        #: what is to be told to a new keeper, should this one be lost
        self._noted = dict(grant.notes)
        self._table = ProcessTable()
        self._renewed = threading.Condition(threading.Lock())
        self._given_up = False
        waiters = Waiters()
        self.waiter = waiters.make
        self.wake_all = waiters.wake_all

    def renew(self, lease: Lease, grant: Grant) -> None:
        """Go on with another keeper; the one before is gone, and all that it held."""
        with self._renewed:
            self._lease, self._key, self.instance = lease, grant.key, lease.instance
            for id in self._noted:
                self._tell(id)
            self._renewed.notify_all()

    def give_up(self) -> None:
        """Let nobody wait for another keeper: somebody else leads with that."""
        with self._renewed:
            self._given_up = True
            self._renewed.notify_all()

    def past(self, id: str) -> Past | None:
        """Return where an earlier owner left *id*, once."""
        note, pid = self._notes.pop(id, None), self._children.pop(id, None)
        if note is None or "status" not in note:
            return None
        state = State(note["status"])
        if pid is not None:
            state = State.STOPPING if state is State.STOPPING else State.RUNNING
        elif state in ALIVE:
            state = {"stop": State.STOPPED, "fail": State.FAILED}.get(note["then"], State.CRASHED)
        ended = Exit(code=note["code"], signal=note["signal"])
        began = None if note["began"] is None else datetime.fromtimestamp(note["began"], UTC)
        return Past(state=state, run=note["run"], last_error=note["error"], exit=ended, pid=pid, spec=note["spec"],
                    start_time=began, then=note["then"])

    def left(self) -> Sequence[Configured]:
        """Return what an earlier owner left and nobody has asked about."""
        return [Configured.load(note["configured"]) for note in self._notes.values() if "status" in note]

    def removed(self, configured: Configured) -> bool:
        """Tell whether somebody has removed just this."""
        return self._removed.get(configured.config.id) == configured.spec

    def remember(self, status: Status, configured: Configured) -> None:
        """Note what an owner after us has to know."""
        self._removed.pop(status.id, None)
        began = None if status.status is State.STARTING else status.start_time  # else it is that of the last run
        self._note(status.id, {
            "status": status.status, "run": status.run, "error": status.last_error, "code": status.exit_code,
            "signal": status.signal, "spec": configured.spec, "configured": configured.dump(),
            "began": began and began.timestamp(), "then": status.then,
        })

    def forget(self, configured: Configured) -> None:
        """Note that it is removed, so that no host brings it back that knows no better."""
        self._removed[configured.config.id] = configured.spec
        self._note(configured.config.id, {"removed": configured.spec})
        self._lease.spool(configured.config.id).remove()

    def keep(self, journal: Journal, *, past: bool) -> None:
        """Keep the lines of *journal* for an owner after us; with *past* it goes on where an earlier one was."""
        journal.keep(self._lease.spool(journal.process_id), restore=past)

    def dismiss(self, id: str) -> None:
        """Forget what was noted of *id*."""
        self._note(id, {})

    def _note(self, id: str, note: dict[str, object]) -> None:
        with self._renewed:
            self._noted[id] = note
            self._tell(id)

    def _tell(self, id: str) -> None:
        with suppress(OSError):  # the keeper is gone: the next one will be told
            self._lease.note(id, self._noted[id])

    def spawn(self, launch: Launch, journal: Journal) -> TreeChild:
        """Have a process started whose output goes to *journal*. On any error nothing is left."""
        output = Output(journal, launch.run)
        try:
            channel, answer = self._ask(launch.id, _message(launch), (*output.writers, *output.readers))
        except BaseException:
            output.close_writers()
            output.finish()
            raise
        output.close_writers()
        return TreeChild(KeptLeader(channel, answer), (launch.instance, launch.id), output, self._table)

    def adopt(self, id: str, run: int, journal: Journal) -> TreeChild:
        """Take over the process *id* that an earlier owner had started.

        :raises OSError: there is none any more.
        """
        channel, answer = self._ask(id, {"adopt": True})
        try:
            output = Output(journal, run, channel.take_descriptors())
            return TreeChild(KeptLeader(channel, answer), (self.instance, id), output, self._table)
        except BaseException:
            channel.close()
            raise

    def _ask(
        self, id: str, message: dict[str, Any], descriptors: tuple[int, ...] = ()
    ) -> tuple[Channel, dict[str, Any]]:
        """Ask for child *id*; when the keeper is lost before it answers, ask the next one."""
        lease = self._lease
        try:
            return _ask(lease.way_to(id, self._key), message, descriptors)
        except ConnectionError:
            with self._renewed:
                patience = _PATIENCE if lease.lost else _MOMENT
                self._renewed.wait_for(lambda: self._given_up or self._lease is not lease, patience)
                if self._lease is lease:
                    raise
            return _ask(self._lease.way_to(id, self._key), message, descriptors)


class KeptLeader:
    """A leader that is a child of the keeper, which keeps it a zombie until it is told to reap."""

    def __init__(self, channel: Channel, answer: dict[str, Any]) -> None:
        self.pid: int = answer["pid"]
        self.held = True
        self._channel = channel
        self._exit = _exit(answer)

    def descriptors(self) -> list[int] | None:
        """Return what becomes readable at its end; ``None`` where that has been read already."""
        told = self._exit is not None or self._channel.pending
        return None if told else [self._channel.fileno()]

    def peek(self) -> Exit | None:
        """Return how it ended, as the keeper has told."""
        if self._exit is None:
            message = self._channel.receive(0.0)
            if message is not None:
                self._exit = _exit(message)
            elif self._channel.ended:
                self.held, self._exit = False, Exit(unknown="the keeper is gone, and took it along")
        return self._exit

    def reap(self) -> None:
        """Have it reaped."""
        with suppress(OSError):  # it went with its keeper
            self._channel.send({"reap": True})
        self._channel.close()

    def leave(self) -> None:
        """Let go: the keeper holds it for the next owner."""
        self._channel.close()


def _ask(
    channel: Channel, message: dict[str, Any], descriptors: tuple[int, ...]
) -> tuple[Channel, dict[str, Any]]:
    """Return the answer with the way that it came by, which is closed on any error."""
    try:
        with suppress(ConnectionError):  # it may have said why already, and gone
            channel.send(message, descriptors)
        answer = channel.receive(_PATIENCE)
        if answer is None:
            raise ConnectionError("the keeper is gone" if channel.ended else "the keeper does not answer")
        if "refused" in answer:
            raise ConnectionError(f"the keeper refused: {answer['refused']}")
        if "pid" not in answer:
            if answer["errno"] is None:
                raise RuntimeError(answer["why"])
            raise OSError(answer["errno"], os.strerror(answer["errno"]))
    except BaseException:
        channel.close()
        raise
    return channel, answer


def _message(launch: Launch) -> dict[str, Any]:
    return {"spawn": {
        "argv": [_bytes(each) for each in launch.argv], "cwd": _bytes(launch.cwd),
        "env": {_bytes(name): _bytes(value) for name, value in launch.env.items()},
        "stop_signal": launch.stop_signal, "stop_timeout": launch.stop_timeout,
    }}


def _bytes(text: str) -> str:
    """Return what the system sees of *text*, as JSON can hold it."""
    return os.fsencode(text).decode("latin-1")


def _exit(message: dict[str, Any]) -> Exit | None:
    ended = message.get("exit")
    if ended is None:
        return None
    number = int(ended["status"])
    return Exit(code=number) if number >= 0 else Exit(signal=signal_name(-number))
