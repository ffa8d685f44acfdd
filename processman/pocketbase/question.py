"""One question to PocketBase, asked over connections that stay open: no redirect followed, any thread, any fork."""
from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPSConnection

from ..client import address

#: connections that wait at most
_IDLE = 8
#: bytes of an answer that are read
_LIMIT = 16 * 1024


class Question:
    """GET *path* of the server at *url*.

    There is no lock, so that a fork finds none taken: append and pop of a list are one step each.

    :param timeout: seconds for each step of an answer.
    :raises ValueError: *url* is none.
    """

    def __init__(self, url: str, path: str, timeout: float) -> None:
        scheme, self._host, self._port, base = address(url, like="http://127.0.0.1:8090")
        self._connect = HTTPSConnection if scheme == "https" else HTTPConnection
        self._path = base.rstrip("/") + path
        self._timeout = timeout
        self._idle: list[tuple[int, HTTPConnection]] = []
        #: where that is, for errors
        self.at = f"{self._host}:{self._port or (443 if scheme == 'https' else 80)}"

    def ask(self, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Ask with *headers*; return status and body.

        :raises OSError: there is no answer.
        :raises http.client.HTTPException: it is not one of HTTP.
        """
        waiting = self._take()
        if waiting is not None:
            with suppress(ConnectionError):  # it was closed meanwhile, as when PocketBase was restarted
                return self._exchange(waiting, headers)
        return self._exchange(self._connect(self._host, self._port, timeout=self._timeout), headers)

    def close(self) -> None:
        """Close the connections that wait."""
        while (connection := self._take()) is not None:
            connection.close()

    def _exchange(self, connection: HTTPConnection, headers: Mapping[str, str]) -> tuple[int, bytes]:
        whole = False
        try:
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
