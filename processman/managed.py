"""One process under supervision, as callers hold it: they ask, wait and look, and never write its state."""
from __future__ import annotations

import dataclasses
from collections.abc import Callable

from .configured import Configured
from .inbox import Leave, Ticket
from .journal import Journal
from .lifecycle import Restart, Start, Stop
from .states import Status
from .supervisor import Supervisor, Surroundings


class ManagedProcess:
    """What callers hold of one process."""

    def __init__(
        self, configured: Configured, surroundings: Surroundings, *, first: Start | Restart | Stop | None = None
    ) -> None:
        self.configured = configured
        self.config = config = configured.config
        self._first = first
        self.journal = Journal(config.id)
        self._clock = surroundings.clock
        self._supervisor = Supervisor(config, surroundings, self.journal)
        self._inbox = self._supervisor.inbox

    def begin(self, *, idle: bool = False) -> None:
        """Begin to supervise, and ask for what is to be done first, unless it is to stay *idle*."""
        if self._first is not None and not idle:
            self.ask(self._first, wake=False)  # it finds that when it begins
        self._supervisor.start()

    def leave(self) -> None:
        """Let go of the process, which goes on: somebody else is to supervise it."""
        self._inbox.post(Leave())

    @property
    def status(self) -> Status:
        """The newest status, its uptime and file watch as of now."""
        status, watch = self._inbox.status, self._supervisor.watching
        uptime = None if status.since is None else max(0.0, self._clock() - status.since)
        if (uptime, watch) == (status.uptime, status.watch):
            return status
        return dataclasses.replace(status, uptime=uptime, watch=watch)

    @property
    def supervised(self) -> bool:
        """Whether the supervisor is at work."""
        return self._supervisor.is_alive()

    def ask(self, input: Start | Stop | Restart, *, last: bool = False, wake: bool = True) -> Ticket:
        """Ask for something; never waits. *last*: once it is gone, supervise it no longer."""
        ticket = Ticket(input, last=last)
        self._inbox.post(ticket, wake=wake)
        return ticket

    def wait_taken(self, ticket: Ticket) -> None:
        """Wait until the supervisor has accepted *ticket*; raise its refusal."""
        self._inbox.wait_taken(ticket)

    def wait_answered(self, ticket: Ticket, timeout: float | None) -> None:
        """Wait until what was asked is done; raise why it was not."""
        self._inbox.wait_answered(ticket, timeout)

    def wait_for(self, accept: Callable[[Status], bool], timeout: float | None) -> Status:
        """Wait for a status that *accept* accepts, from the present one on."""
        status = self._inbox.wait_for(accept, timeout)
        return self.status if status is self._inbox.status else status

    def join(self, timeout: float) -> None:
        """Wait for the supervisor's end."""
        self._supervisor.join(timeout)
