"""JSON lines, and descriptors beside them, over a Unix socket: how a keeper is spoken to."""
from __future__ import annotations

import array
import errno
import json
import os
import select
import socket
import struct
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

_INT = array.array("i").itemsize
_CREDENTIALS = struct.Struct("3i")


def connect(path: str, *, timeout: float | None = None) -> socket.socket:
    """Connect to *path*, where somebody of our user has to listen.

    :param timeout: seconds to wait at most, now and for what is read and written later.
    :raises PermissionError: it is somebody else, in whose hands no environment and no pickle belongs.
    :raises OSError: nobody does.
    """
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(timeout)
        connection.connect(path)
        if not is_ours(connection):
            raise PermissionError(errno.EPERM, "it belongs to somebody else", path)
    except BaseException:
        connection.close()
        raise
    return connection


def is_ours(connection: socket.socket) -> bool:
    """Tell whether the other end is of our user; where that cannot be told the directory keeps others out."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return bool(_CREDENTIALS.unpack(data)[1] == os.geteuid())


class Channel:
    """One connection. Used by one thread at a time."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = b""
        self._messages: deque[dict[str, Any]] = deque()
        self._ended = False
        self._waiting = threading.RLock()  # while it is polled, its number must not become that of something else
        #: descriptors that have come and nobody has taken yet
        self.descriptors: list[int] = []

    def fileno(self) -> int:
        """Return the descriptor to poll for reading."""
        return self._connection.fileno()

    def send(self, message: Mapping[str, object], descriptors: Sequence[int] = ()) -> None:
        """Send *message*.

        :raises OSError: nobody is there any more.
        """
        data = json.dumps(message).encode() + b"\n"
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
        if rest := data[self._connection.sendmsg([data], rights):]:
            self._connection.sendall(rest)  # not even nothing, else: an answer may be there already, and its end

    def receive(self, timeout: float | None = None) -> dict[str, Any] | None:
        """Return the next message; ``None`` when *timeout* seconds are over, and at the end."""
        with self._waiting:
            while not self._messages and not self._ended and self._is_ready(timeout):
                self._read()
        return self._messages.popleft() if self._messages else None

    @property
    def ended(self) -> bool:
        """Whether the other side is gone, and everything it said was taken."""
        return self._ended and not self._messages

    @property
    def pending(self) -> bool:
        """Whether something it said waits here, which no poll tells."""
        return bool(self._messages)

    def take_descriptors(self) -> list[int]:
        """Return the descriptors that have come; they are the caller's now."""
        taken, self.descriptors = self.descriptors, []
        return taken

    def close(self) -> None:
        """End the connection, also where another thread waits for it or a forked copy holds it."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        with self._waiting:
            self.forget()

    def forget(self) -> None:
        """Close it for us alone: in a forked copy, where it belongs to the process that was forked."""
        self._connection.close()
        self._ended = True
        for fd in self.take_descriptors():
            os.close(fd)

    def _is_ready(self, timeout: float | None) -> bool:
        poller = select.poll()
        poller.register(self._connection, select.POLLIN)
        return bool(poller.poll(None if timeout is None else timeout * 1000))

    def _read(self) -> None:
        data = b""
        with suppress(ConnectionError):
            data, ancillary, *_ = self._connection.recvmsg(65536, socket.CMSG_SPACE(8 * _INT))
            for _, kind, content in ancillary:
                if kind == socket.SCM_RIGHTS:
                    self.descriptors += array.array("i", content[:len(content) - len(content) % _INT])
        self._ended = not data
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        self._messages.extend(map(json.loads, lines))
