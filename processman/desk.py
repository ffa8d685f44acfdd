"""How a follower asks the owner: a function and its arguments go over, and the answer comes back.

Whoever may connect is of our user, and could do anything to this process anyway; so functions and answers are
pickled.
"""
from __future__ import annotations

import os
import pickle
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from ._version import __version__
from .errors import ChangingHands

_CREDENTIALS = struct.Struct("3i")


class Pickles:
    """A connection over which any object goes. By socket alone, for where gevent has replaced that."""

    def __init__(self, connection: socket.socket) -> None:
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

    def close(self) -> None:
        """End the connection."""
        self._file.close()
        self._connection.close()

    def __enter__(self) -> Pickles:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Asked:
    """Stands for a function of the follower: it stays there, and is called there."""


class Desk:
    """Where followers ask the owner: one thread lets them in, and each has one for as long as it asks.

    :param manager: what functions are called with, before their arguments.
    """

    def __init__(self, path: Path, manager: object) -> None:
        self._manager = manager
        self._path = path
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        try:
            self._listener.bind(os.fspath(path))
            path.chmod(0o600)
            self._listener.listen(128)
            threading.Thread(target=self._run, name="processman-desk", daemon=True).start()
        except BaseException:
            self._listener.close()
            raise

    def close(self) -> None:
        """Let nobody in any more."""
        self._path.unlink(missing_ok=True)
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes who waits in accept
        self._listener.close()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            if _user(connection) != os.geteuid():
                connection.close()
                continue
            try:
                threading.Thread(
                    target=self._serve, args=(connection,), name="processman-asked", daemon=True
                ).start()
            except RuntimeError:  # there are too many threads
                connection.close()

    def _serve(self, accepted: socket.socket) -> None:
        # who asks may be gone at any time
        with Pickles(accepted) as connection, suppress(EOFError, OSError, pickle.UnpicklingError):
            version, *asked = connection.recv()
            if version == __version__:
                self._answer(connection, *asked)
            else:
                connection.send(("error", ChangingHands("cannot ask the owner: it is of another version")))

    def _answer(
        self, connection: Pickles, function: Callable[..., Any], args: tuple[object, ...],
        more: dict[str, object],
    ) -> None:
        def ask(*given: object) -> Any:
            connection.send(("ask", given))
            return connection.recv()

        try:
            given = [ask if isinstance(each, _Asked) else each for each in args]
            named = {name: ask if isinstance(each, _Asked) else each for name, each in more.items()}
            result = function(self._manager, *given, **named)
            if not isinstance(result, Iterator):
                connection.send(("done", result))
                return
            connection.send(("iterate", None))
            for item in result:
                connection.send(("item", item))
            connection.send(("done", None))
        except (BrokenPipeError, EOFError):
            raise
        except Exception as error:
            try:
                connection.send(("error", error))
            except (pickle.PicklingError, TypeError, AttributeError):
                connection.send(("error", RuntimeError(f"{type(error).__name__}: {error}")))


def ask_owner(
    connection: Pickles, function: Callable[..., Any], args: tuple[object, ...],
    more: dict[str, object],
) -> Any:
    """Have the owner that is connected call *function* with its Manager and *args*; return or raise what that does.

    :raises ChangingHands: it is gone before it has answered.
    """
    mine = [each for each in (*args, *more.values()) if callable(each)]
    given = tuple(_Asked() if callable(each) else each for each in args)
    named = {name: _Asked() if callable(each) else each for name, each in more.items()}
    try:
        connection.send((__version__, function, given, named))
        while True:
            kind, value = connection.recv()
            match kind:
                case "ask":
                    connection.send(mine[0](*value))
                case "iterate":
                    return _items(connection)
                case _:
                    break
    except (EOFError, OSError, pickle.UnpicklingError) as error:
        connection.close()
        raise ChangingHands("cannot wait for the owner's answer: the lead is changing hands") from error
    except BaseException:
        connection.close()
        raise
    connection.close()
    if kind == "error":
        raise value
    return value


def _items(connection: Pickles) -> Iterator[Any]:
    with connection:
        while True:
            try:
                kind, value = connection.recv()
            except (EOFError, OSError, pickle.UnpicklingError):
                return  # it ends with who leads
            if kind == "error":
                raise value
            if kind == "done":
                return
            yield value


def reach_owner(path: Path) -> Pickles | None:
    """Connect to the owner that listens at *path*; ``None`` when it is not there, or not yet."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(os.fspath(path))
    except OSError:
        connection.close()
        return None
    return Pickles(connection)


def _user(connection: socket.socket) -> int:
    """Return the user of who is connected; where that cannot be told the directory keeps others out."""
    if not hasattr(socket, "SO_PEERCRED"):
        return os.geteuid()
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(data)[1])
