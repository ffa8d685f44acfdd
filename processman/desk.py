"""How a follower asks the owner: a function and its arguments go over, and the answer comes back.

Whoever may connect is of our user, and could do anything to this process anyway; so functions and answers are
pickled.
"""
from __future__ import annotations

import functools
import logging
import os
import pickle
import select
import socket
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from ._version import __version__
from .caller import CallerGone, working_for
from .channel import connect, is_ours
from .errors import ChangingHands
from .failures import report

logger = logging.getLogger(__name__)

#: what comes of a connection whose other end is gone
_LOST = (EOFError, OSError, pickle.UnpicklingError)
#: seconds until somebody is let in again where there was no descriptor for that
_PAUSE = 0.1
#: seconds until an owner that works has heard what it is asked
_HEARING = 2.0


class Host(NamedTuple):
    """Who asks. It goes over as a plain tuple, behind its version, for the other side may be of another."""

    #: how new it is; a command is no host, and older than all
    generation: float = 0.0
    #: what of its configuration it shares with who leads for it
    settings: tuple[object, ...] = ()


class Pickles:
    """A connection over which any object goes. By socket alone, for where gevent has replaced that."""

    def __init__(self, connection: socket.socket) -> None:
        _not_in_forks().add(connection)
        self._connection = connection
        self._file = connection.makefile("rb")

    def send(self, value: object) -> None:
        """Send *value*."""
        self._connection.sendall(pickle.dumps(value))

    def recv(self) -> Any:
        """Return the next value.

        :raises EOFError: there is none.
        """
        return pickle.load(self._file)  # noqa: S301 (who may connect could do anything to us anyway)

    def settimeout(self, timeout: float | None) -> None:
        """Wait *timeout* seconds at most for the other end, from now on; after that, only close it."""
        self._connection.settimeout(timeout)

    def is_over(self) -> bool:
        """Tell whether the other end is gone, while it has nothing to say."""
        poller = select.poll()
        poller.register(self._connection, select.POLLIN)
        return bool(poller.poll(0))

    def close(self) -> None:
        """End the connection."""
        self._file.close()
        self._connection.close()

    def __enter__(self) -> Pickles:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Asked(NamedTuple):
    """Stands for a function that the follower gives: it stays there, and is called there."""

    key: int | str


class Desk:
    """Where followers ask the owner: one thread lets them in, and each has one for as long as it asks.

    :param manager: what functions are called with, before their arguments.
    :param gives_way: tells whether the lead is left to one that a host of some version begins; called by a thread
        of ours.
    """

    def __init__(self, path: Path, manager: object, gives_way: Callable[[Host, str], bool]) -> None:
        self._manager = manager
        self._gives_way = gives_way
        self._path = path
        self._closed = False
        self._listener = socket.socket(socket.AF_UNIX)
        _not_in_forks().add(self._listener)
        try:
            self._listener.bind(os.fspath(path))
            path.chmod(0o600)
            self._listener.listen(128)
            threading.Thread(target=self._run, name="processman-desk", daemon=True).start()
        except BaseException:
            self._listener.close()
            raise

    def close(self) -> None:
        """Let nobody in any more, and answer for nothing that is not answered yet."""
        self._closed = True
        self._path.unlink(missing_ok=True)
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes who waits in accept

    def _run(self) -> None:
        with self._listener:  # closed here, for its number must not become another's while we wait
            self._let_in()

    def _let_in(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                if self._closed:
                    return
                threading.Event().wait(_PAUSE)
                continue
            if not is_ours(connection):
                connection.close()
                continue
            try:
                threading.Thread(
                    target=self._serve, args=(connection,), name="processman-asked", daemon=True
                ).start()
            except RuntimeError:  # there are too many threads
                connection.close()

    def _serve(self, accepted: socket.socket) -> None:
        try:
            # who asks may be gone at any time
            with suppress(*_LOST, CallerGone), Pickles(accepted) as connection, working_for(connection.is_over):
                self._hear(connection)
        except Exception:
            report(logger, "answering another process failed")

    def _hear(self, connection: Pickles) -> None:
        try:
            version, *about, asked = connection.recv()
            host = Host(*about)
        except Exception:  # whatever comes of what nobody of ours has sent
            logger.debug("somebody asked what cannot be understood", exc_info=True)
            return
        if self._gives_way(host, version):
            connection.send(("error", ChangingHands("cannot ask the owner: it makes room for a newer one")))
        elif version != __version__:
            connection.send(("error", ChangingHands("cannot ask the owner: it is of another version")))
        else:
            connection.send(("heard", None))
            self._answer(connection, asked)

    def _answer(self, connection: Pickles, asked: bytes) -> None:
        try:
            result = self._call(connection, asked)
            if isinstance(result, Iterator):
                connection.send(("iterate", None))
                for item in result:
                    connection.send(("item", item))
                result = None
            answer: tuple[str, object] = ("done", result)
        except (BrokenPipeError, EOFError, CallerGone):
            raise
        except Exception as error:
            answer = ("error", error)
        if self._closed:  # what has been let go of may be anything by now
            answer = ("error", ChangingHands("cannot wait for the owner's answer: it has left the lead"))
        try:
            connection.send(answer)
        except (pickle.PicklingError, TypeError, AttributeError):
            connection.send(("error", RuntimeError(f"{type(answer[1]).__name__}: {answer[1]}")))

    def _call(self, connection: Pickles, asked: bytes) -> Any:
        def ask(key: int | str, *given: object) -> Any:
            connection.send(("ask", (key, given)))
            return connection.recv()

        function, args = pickle.loads(asked)  # noqa: S301 (as above)
        given = {key: functools.partial(ask, key) if isinstance(arg, _Asked) else arg for key, arg in args.items()}
        named = {key: arg for key, arg in given.items() if isinstance(key, str)}
        return function(self._manager, *(arg for key, arg in given.items() if key not in named), **named)


def ask_owner(
    connection: Pickles, host: Host, function: Callable[..., Any], args: tuple[object, ...],
    more: Mapping[str, object],
) -> Any:
    """Have the owner that is connected call *function* with its Manager and *args*; return or raise what that does.

    What of *args* can be called stays here: *function* gets what calls it back.

    :raises ChangingHands: it is gone before it has answered, or does not hear. So does the iterator that may be
        the answer.
    """
    given: dict[int | str, Any] = {**dict(enumerate(args)), **dict(more.items())}
    asked = {key: _Asked(key) if callable(arg) else arg for key, arg in given.items()}
    try:
        kind, value = _exchange(connection, (__version__, *host, pickle.dumps((function, asked))), timeout=_HEARING)
        if kind == "heard":
            kind, value = _exchange(connection)
        while kind == "ask":
            key, its = value
            kind, value = _exchange(connection, bool(given[key](*its)))
    except BaseException:
        connection.close()
        raise
    if kind == "iterate":
        return _items(connection)
    connection.close()
    if kind == "error":
        raise value
    return value


def _exchange(connection: Pickles, *sent: object, timeout: float | None = None) -> tuple[str, Any]:
    """Send something, if there is something to be sent, and return what comes back."""
    try:
        connection.settimeout(timeout)
        for value in sent:
            connection.send(value)
        kind, answer = connection.recv()
    except TimeoutError as error:
        raise ChangingHands("cannot ask the owner: it does not answer") from error
    except _LOST as error:
        raise ChangingHands("cannot wait for the owner's answer: the lead is changing hands") from error
    return kind, answer


def _items(connection: Pickles) -> Iterator[Any]:
    with connection:
        kind, value = _exchange(connection)
        while kind == "item":
            yield value
            kind, value = _exchange(connection)
    if kind == "error":
        raise value


def reach_owner(path: Path) -> Pickles | None:
    """Connect to the owner that listens at *path*; ``None`` when it is not there, or does not let anybody in."""
    try:
        return Pickles(connect(os.fspath(path), timeout=_HEARING))
    except OSError:
        return None


@functools.cache
def _not_in_forks() -> weakref.WeakSet[socket.socket]:
    """Return the set of sockets that a forked copy of this process closes.

    Else who waits for an answer of a process that was killed would wait for the end of its copies, too.
    """
    held: weakref.WeakSet[socket.socket] = weakref.WeakSet()

    def close() -> None:
        for each in held:
            if each.fileno() >= 0:
                os.close(each.detach())

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=close)
    return held
