"""What callers and one supervisor share: messages to it, and the statuses it publishes."""
from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .caller import wait_for
from .errors import AlreadyRunning, Overruled, ProcessmanError, StartFailed, WaitTimeout
from .lifecycle import Restart, Start, Stop
from .states import State, Status

#: published statuses that a slow waiter can still see one by one
_HISTORY = 64


@dataclass(eq=False, slots=True)
class Ticket:
    """Something asked of a process; the supervisor answers it once, with success or an error."""

    input: Start | Stop | Restart
    #: the process is not to be supervised any longer once it is gone
    last: bool = False
    answered: bool = False
    #: the supervisor has seen it
    taken: bool = False
    error: ProcessmanError | None = None

    @property
    def wants_it_up(self) -> bool:
        """Whether it is fulfilled by a new run, rather than by the end of one."""
        return not isinstance(self.input, Stop)


@dataclass(frozen=True, slots=True)
class Changed:
    """A watched file changed."""

    path: str


@dataclass(frozen=True, slots=True)
class Leave:
    """Somebody else is to supervise the process, which goes on."""


Message = Ticket | Changed | Leave


class Inbox:
    """One process's messages and newest status. Callers post and wait, the supervisor takes and publishes."""

    def __init__(self, status: Status, wake: Callable[[], None]) -> None:
        #: the newest status; reading it takes no lock
        self.status = status
        self._wake = wake
        self._news = threading.Condition(threading.Lock())
        self._messages: deque[Message] = deque()
        self._history: deque[Status] = deque([status], _HISTORY)
        self._published = 1
        self._closed = self._left = False

    def post(self, message: Message, *, wake: bool = True) -> None:
        """Hand *message* to the supervisor. Any thread; never waits. Without *wake*, somebody else wakes it."""
        with self._news:
            if self._closed:
                self._answer_late(message)
            else:
                self._messages.append(message)
        if wake:
            self._wake()

    def close(self, *, left: bool = False) -> None:
        """Answer what was asked too late, now and in future; *left*: it goes on. The supervisor only."""
        with self._news:
            self._closed, self._left = True, left
            for message in self._messages:
                self._answer_late(message)
            self._messages.clear()
            self._news.notify_all()

    def _answer_late(self, message: Message) -> None:
        if isinstance(message, Ticket):
            message.answered = message.taken = True
            undone = message.wants_it_up or self._left
            message.error = Overruled(self.status.id, self.status) if undone else None

    def take(self) -> Message | None:
        """Return the next message; what follows it is not lost if it fails. The supervisor only."""
        return self._messages.popleft() if self._messages else None

    def publish(self, status: Status) -> None:
        """Make *status* the newest. The supervisor only."""
        with self._news:
            self.status = status
            self._history.append(status)
            self._published += 1
            self._news.notify_all()

    def answer(self, ticket: Ticket, error: ProcessmanError | None = None) -> None:
        """Answer *ticket*: it worked, or *error*. The supervisor only."""
        with self._news:
            ticket.error = error
            ticket.answered = ticket.taken = True
            self._news.notify_all()

    def acknowledge(self, ticket: Ticket) -> None:
        """Say that *ticket* was accepted and will be answered. The supervisor only."""
        with self._news:
            ticket.taken = True
            self._news.notify_all()

    def wait_taken(self, ticket: Ticket) -> None:
        """Wait until the supervisor has accepted or refused *ticket*; raise its refusal."""
        with self._news:
            wait_for(self._news, lambda: ticket.taken, None)
        if isinstance(ticket.error, AlreadyRunning):  # any other error came of what was accepted
            raise ticket.error

    def wait_answered(self, ticket: Ticket, timeout: float | None) -> None:
        """Wait for the answer to *ticket*, and raise it when it is an error.

        :raises WaitTimeout: there was none in *timeout* seconds.
        """
        with self._news:
            answered = wait_for(self._news, lambda: ticket.answered, timeout)
        if not answered:
            raise WaitTimeout(self.status.id, self.status)
        if ticket.error is not None:
            raise ticket.error

    def wait_for(self, accept: Callable[[Status], bool], timeout: float | None) -> Status:
        """Return the first status, from the present one on, that *accept* accepts; it is called unlocked.

        :raises WaitTimeout: there was none in *timeout* seconds.
        :raises Overruled: there will be none, for the process is supervised no longer.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._news:
            seen, statuses, closed = self._published, [self.status], self._closed
        while True:
            for status in statuses:
                if accept(status):
                    return status
            if closed:
                raise Overruled(self.status.id, self.status)
            statuses, seen, closed = self._next(seen, deadline)

    def _next(self, seen: int, deadline: float | None) -> tuple[list[Status], int, bool]:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        with self._news:
            if not wait_for(self._news, lambda: self._published > seen or self._closed, left):
                raise WaitTimeout(self.status.id, self.status)
            new = self._published - seen
            return list(self._history)[-new:] if new else [], self._published, self._closed


def one_of(until: str | Iterable[str]) -> Callable[[Status], bool]:
    """Return what accepts the status words in *until*, and raises :exc:`StartFailed` at an unexpected failure."""
    words = frozenset([until] if isinstance(until, str) else until)
    strange = ", ".join(repr(word) for word in words if word not in set(State))
    if strange or not words:
        raise ValueError(f"cannot wait for {strange or 'no status'}: name one or more of {', '.join(State)}")

    def accept(status: Status) -> bool:
        if status.status is State.FAILED and State.FAILED not in words:
            raise StartFailed(status.id, status)
        return status.status in words

    return accept
