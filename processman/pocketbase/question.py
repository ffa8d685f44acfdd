"""An HTTP client for one question to PocketBase: its connections stay open, it follows no redirect."""
from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from io import BufferedReader, RawIOBase
from typing import Any

from ..client import address

#: connections that wait at most
_IDLE = 8
_LIKE = "http://127.0.0.1:8090"
#: bytes of an answer that are read
_LIMIT = 16 * 1024


class Question:
    """GET *path* of the server at *url*. Any thread, and any forked copy.

    There is no lock, so that a fork finds none taken: append and pop of a list are one step each.

    :param timeout: seconds for an answer, from the first step to the last byte.
    :raises ValueError: *url* is not that of a server, or it has more than that.
    """

    def __init__(self, url: str, path: str, timeout: float) -> None:
        scheme, self._host, self._port, more = address(url, like=_LIKE)
        if more not in ("", "/") or "?" in url or "#" in url:
            raise ValueError(f"cannot use the address: it is not like {_LIKE}, without path, query and fragment")
        self._connect = HTTPSConnection if scheme == "https" else HTTPConnection
        self._path = path
        self._timeout = timeout
        self._idle: list[tuple[int, HTTPConnection]] = []
        #: where that is, for errors
        self.at = f"{self._host}:{self._port or (443 if scheme == 'https' else 80)}"

    def ask(self, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Ask with *headers*; return status and body.

        :raises OSError: there is no answer.
        :raises http.client.HTTPException: it is not one of HTTP.
        """
        deadline = time.monotonic() + self._timeout
        waiting = self._take()
        if waiting is not None:
            with suppress(ConnectionError):  # it was closed meanwhile, as when PocketBase was restarted
                return self._exchange(waiting, headers, deadline)
        return self._exchange(self._connect(self._host, self._port), headers, deadline)

    def close(self) -> None:
        """Close the connections that wait."""
        while (connection := self._take()) is not None:
            connection.close()

    def _exchange(
        self, connection: HTTPConnection, headers: Mapping[str, str], deadline: float
    ) -> tuple[int, bytes]:
        whole = False
        try:
            connection.timeout = _left(deadline)
            connection.response_class = partial(_Response, deadline)  # type: ignore[assignment]
            if connection.sock is None:
                connection.connect()
            connection.sock.settimeout(_left(deadline))
            connection.request("GET", self._path, headers=dict(headers))
            response = connection.getresponse()
            body = response.read(_LIMIT)
            whole = response.isclosed()
        finally:
            if whole and len(self._idle) < _IDLE:
                self._idle.append((os.getpid(), connection))
            else:
                connection.close()
        return response.status, body

    def _take(self) -> HTTPConnection | None:
        with suppress(IndexError):
            while True:
                owner, connection = self._idle.pop()
                if owner == os.getpid():
                    return connection
                connection.close()  # our copy: the process that opened it talks on it
        return None


def _left(deadline: float) -> float:
    """Return the seconds until *deadline*.

    :raises TimeoutError: it is over.
    """
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


class _Response(HTTPResponse):
    """A response that is read until *deadline*: a socket's own timeout begins anew with each byte."""

    def __init__(self, deadline: float, sock: socket.socket, *args: Any, **more: Any) -> None:
        super().__init__(sock, *args, **more)
        self.fp.close()
        self.fp = BufferedReader(_Timely(sock, deadline))


class _Timely(RawIOBase):
    """The bytes that *sock* receives until *deadline*."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock, self._deadline = sock, deadline
        self._stream = sock.makefile("rb", buffering=0)  # keeps the socket open, as http.client expects

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(_left(self._deadline))
        return self._stream.readinto(buffer)

    def close(self) -> None:
        self._stream.close()
        super().close()
