"""A lease on the keeper: what it holds goes on while there is one, and one of those who hold one has control."""
from __future__ import annotations

import errno
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from .channel import Channel
from .errors import ProcessmanError
from .place import Place
from .spool import Spool

PROTOCOL = 1
#: keepers that may end at once before it is given up to reach one
_TRIES = 5
#: asks who has control, and how many leases there are
WHO = {"processman": PROTOCOL, "who": True}


class Grant(NamedTuple):
    """Control of what a keeper holds."""

    key: str
    #: the pids of the processes that there are, by id
    children: Mapping[str, int]
    #: what the last owner noted, by id
    notes: Mapping[str, Mapping[str, Any]]


class Lease:
    """One lease. It ends with :meth:`close`, and with this process.

    :param instance: marks the processes of a keeper that has to be begun.
    :param generation: how new this is, where it wants control; the newest of those who wait gets it.
    :param linger: seconds that processes outlive the last lease.
    :param supervisor: they do so only while this process lives.
    :param counts: what is held goes on for its sake, too.
    :param pid: the lease is the life of this process instead of ours.
    :raises ProcessmanError: no keeper can be reached or begun.
    """

    def __init__(
        self, place: Place, *, instance: str, linger: float, generation: float | None, pid: int | None = None,
        counts: bool = True, supervisor: int | None = None,
    ) -> None:
        self._place = place
        self._sending = threading.Lock()
        hello = {"processman": PROTOCOL, "linger": linger, "control": generation, "pid": pid,
                 "counts": counts, "supervisor": supervisor}
        self._channel, answer = _greet(place, instance, hello)
        self.instance: str = answer["instance"]
        self.keeper: int = answer["pid"]
        #: whether somebody else had control when it began
        self.led: bool = answer["led"]

    def wait(self, timeout: float | None = None) -> Grant | None:
        """Wait for control. ``None``: the keeper is gone, or *timeout* seconds are over. One thread only."""
        while (message := self._channel.receive(timeout)) is not None:
            if "granted" in message:
                return Grant(**message["granted"])
        return None

    @property
    def lost(self) -> bool:
        """Whether the keeper is gone."""
        return self._channel.ended

    def note(self, id: str, note: Mapping[str, object]) -> None:
        """Leave *note* for the next owner. Any thread.

        :raises OSError: the keeper is gone.
        """
        with self._sending:
            self._channel.send({"id": id, "note": note})

    def count(self) -> int:
        """Return how many leases there are, this one among them; 0 when the keeper is gone."""
        answer = self._place.ask(WHO)
        return int(answer["leases"]) if answer else 0

    def owner(self) -> int | None:
        """Return the pid of who has control."""
        answer = self._place.ask(WHO)
        return answer.get("owner") if answer else None

    def spool(self, id: str) -> Spool:
        """Return where the lines of process *id* are kept for the next owner."""
        return Spool(self._place.lines(id))

    def way_to(self, id: str, key: str) -> Channel:
        """Connect to child *id*, there or to come.

        :raises OSError: the keeper is gone.
        """
        connection = self._place.reach()
        if connection is None:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "the keeper is gone")
        channel = Channel(connection)
        channel.send({"processman": PROTOCOL, "key": key, "id": id})
        return channel

    def close(self) -> None:
        """Give the lease back."""
        self._channel.close()

    def forget(self) -> None:
        """Let go of it in a forked copy: the process that was forked holds it."""
        self._channel.forget()


def _greet(place: Place, instance: str, hello: Mapping[str, object]) -> tuple[Channel, Mapping[str, Any]]:
    old = False
    for _ in range(_TRIES):
        channel = Channel(place.connect(instance, instead=old))
        with suppress(ConnectionError):  # it may have refused us already, and gone
            channel.send(hello)
        answer = channel.receive()
        if answer is not None and "refused" not in answer:
            return channel, answer
        channel.close()
        old = answer is not None and _is_old(place, answer)
        # else it was ending, and is gone: the next one is ours
    raise ProcessmanError(f"cannot reach a keeper: {_TRIES} in a row ended; see the log beside {place.socket}")


def _is_old(place: Place, answer: Mapping[str, Any]) -> bool:
    """Whether a keeper refuses us for it is of an older version; otherwise it is right."""
    if answer.get("processman", 0) < PROTOCOL:
        return True
    raise ProcessmanError(f"cannot use the keeper at {place.socket}: {answer['refused']}")
