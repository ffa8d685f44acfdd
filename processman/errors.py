"""Every error that processman raises on purpose.

::

    ProcessmanError
    ├── ConfigError         (also ValueError)
    ├── ProcessNotFound     (also LookupError)
    ├── DuplicateProcess
    ├── AlreadyRunning
    ├── StartFailed
    ├── StopFailed
    ├── Overruled
    ├── WaitTimeout         (also TimeoutError)
    ├── NotStarted
    │   └── ChangingHands
    └── NotOwner

Messages read "cannot <do> <what>: <why>".
"""
from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .states import Status


class ProcessmanError(Exception):
    """Base of all errors of processman."""

    def __reduce__(self) -> tuple[object, ...]:
        # not by calling the class again, whose arguments are others
        return _remade, (type(self), self.args, self.__dict__)


def _remade(kind: type[ProcessmanError], args: tuple[object, ...], state: dict[str, object]) -> ProcessmanError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class ConfigError(ProcessmanError, ValueError):
    """A configuration is wrong. The message lists every problem, and never the offending value.

    *path* is the file (``None`` for one made in code), *pointer* the JSON pointer of the first problem.
    """

    def __init__(self, message: str, *, path: str | None = None, pointer: str = "") -> None:
        super().__init__(message)
        self.path = path
        self.pointer = pointer


class ProcessNotFound(ProcessmanError, LookupError):
    """There is no process *id*."""

    def __init__(self, id: str) -> None:
        super().__init__(f"cannot find process {id!r}: it is not registered")
        self.id = id


class DuplicateProcess(ProcessmanError):
    """The id is taken."""

    def __init__(self, id: str) -> None:
        super().__init__(f"cannot register process {id!r}: the id is taken")
        self.id = id


class AlreadyRunning(ProcessmanError):
    """A start was asked of a process that is starting or running."""

    def __init__(self, id: str) -> None:
        super().__init__(f"cannot start process {id!r}: it is already running")
        self.id = id


class StartFailed(ProcessmanError):
    """A process could not be started; *status* says why and whether it will be tried again."""

    def __init__(self, id: str, status: Status) -> None:
        super().__init__(f"cannot start process {id!r}: {status.last_error or status.status}")
        self.id = id
        self.status = status


class StopFailed(ProcessmanError):
    """*survivors* of a process tree live on 2 s after SIGKILL; they are watched further."""

    def __init__(self, id: str, survivors: tuple[str, ...]) -> None:
        super().__init__(f"cannot stop process {id!r}: still alive after SIGKILL: {', '.join(survivors)}")
        self.id = id
        self.survivors = survivors


class Overruled(ProcessmanError):
    """Somebody else asked for something else meanwhile; *status* is what it was then."""

    def __init__(self, id: str, status: Status) -> None:
        super().__init__(f"cannot wait for process {id!r}: something else was asked of it meanwhile")
        self.id = id
        self.status = status


class WaitTimeout(ProcessmanError, TimeoutError):
    """The time is over; what was asked stays asked. *status* is what it was then."""

    def __init__(self, id: str, status: Status) -> None:
        super().__init__(f"cannot wait longer for process {id!r}: it is {status.status}")
        self.id = id
        self.status = status


class NotStarted(ProcessmanError):
    """The manager is not started, or is stopping."""


class ChangingHands(NotStarted):
    """Nobody leads at this moment; somebody will in some hundredths of a second.

    .. versionadded:: 0.2
    """


class NotOwner(ProcessmanError):
    """This is the copy of a started manager in a forked process; it is inert."""
