"""The REST API from outside: a client made of the standard library alone, and how it finds a manager."""
from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from . import private
from .errors import ProcessmanError

#: where ``processman up`` mounts the API
MOUNT = "/api/pm"
#: what may stand in a header or a request line
_SENDABLE = re.compile(r"[!-~]+")
_LIMIT = 64 * 1024 * 1024

Process = dict[str, Any]
Check = Callable[[Any], bool]
#: takes the method and the path of a request; returns status and body of the answer, or raises what keeps it away
Exchange = Callable[[str, str], tuple[int, bytes]]


def _is(*kinds: type) -> Check:
    return lambda value: isinstance(value, kinds)


def _list_of(check: Check) -> Check:
    return lambda value: isinstance(value, list) and all(map(check, value))


def _object(**checks: Check) -> Check:
    def check(value: Any) -> bool:
        return (isinstance(value, dict) and value.keys() >= checks.keys()
                and all(check(value[key]) for key, check in checks.items()))

    return check


def _is_time(value: Any) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False


_TEXT, _NUMBER, _NULL = _is(str), _is(int), type(None)
#: What answers hold that is relied on. Whatever else listens on that port may answer with JSON, too.
_PROCESS = _object(
    id=_TEXT, status=_TEXT, pid=_is(int, _NULL), uptime=_is(str, _NULL), restartCount=_NUMBER, lastError=_TEXT,
    run=_NUMBER, nextRetryAt=lambda value: value is None or _is_time(value), escaped=_list_of(_TEXT),
    watch=_is(str, _NULL),
)  # fmt: skip
_LINE = _object(timestamp=_is_time, processId=_TEXT, stream=_TEXT, content=_TEXT, seq=_NUMBER, run=_NUMBER)
_DONE = _object(id=_TEXT, message=_TEXT)
_ERROR = _object(message=_TEXT)
_SURVIVORS = _object(data=_object(survivors=_list_of(_TEXT)))


class Unreachable(ProcessmanError):
    """No manager answers, or it does not let us in."""


class Refused(ProcessmanError):
    """The manager answered with an error; *status* is that of HTTP."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Client:
    """Asks the manager whose API is at *url*; one that has no path is completed by ``/api/pm``.

    Each method is one request and returns the JSON. Any thread.

    :param timeout: seconds without an answer; stopping a process may take longer.
    :param exchange: how requests go to the manager, instead of over HTTP; *url* names it in errors.
    :raises ValueError: *url* is none, or *token* cannot be sent.
    """

    def __init__(
        self, url: str, token: str = "", *, timeout: float = 30.0, exchange: Exchange | None = None
    ) -> None:
        self.url = url
        self._exchange = _Http(url, token, timeout) if exchange is None else exchange

    def processes(self) -> list[Process]:
        """Return all processes, in the order of their registration."""
        found: list[Process] = self._ask("GET", "/list", "list the processes", _list_of(_PROCESS))
        return found

    def process(self, id: str, *, to: str = "show") -> Process:
        """Return one process; *to* is what an error says cannot be done."""
        if id == "list":  # is a route, where no process can be
            raise Refused(f"cannot {to} process {id!r}: Process not found", 404)
        found: Process = self._ask("GET", f"/{quote(id, safe='')}", f"{to} process {id!r}", _PROCESS)
        return found

    def logs(self, id: str, lines: int = 100) -> list[dict[str, Any]]:
        """Return the newest *lines* (1 to 1000) of a process, oldest first."""
        path = f"/{quote(id, safe='')}/logs?lines={lines}"
        found: list[dict[str, Any]] = self._ask("GET", path, f"read the log of process {id!r}", _list_of(_LINE))
        return found

    def start(self, id: str) -> None:
        """Ask for a start, and return at once."""
        self._act(id, "start")

    def restart(self, id: str) -> None:
        """Ask for a restart, and return at once."""
        self._act(id, "restart")

    def stop(self, id: str) -> None:
        """Stop a process; return when its whole tree is gone."""
        self._act(id, "stop")

    def _act(self, id: str, verb: str) -> None:
        self._ask("POST", f"/{quote(id, safe='')}/{verb}", f"{verb} process {id!r}", _DONE)

    def _ask(self, method: str, path: str, what: str, answers: Check) -> Any:
        try:
            status, body = self._exchange(method, path)
        except (OSError, HTTPException, UnicodeError) as error:  # the last is from a name that cannot be
            why = str(error) or type(error).__name__
            raise Unreachable(f"cannot reach the manager at {self.url}: {why}") from error
        return self._understand(status, body, what, answers)

    def _understand(self, status: int, body: bytes, what: str, answers: Check) -> Any:
        value = _loaded(body)
        if not (answers if status == 200 else _ERROR)(value):
            raise Unreachable(f"cannot understand the answer from {self.url}: it is not processman's "
                              f"(status {status})")  # fmt: skip
        if status == 200:
            return value
        message = value["message"].rstrip(".")
        if status in (401, 403):
            raise Unreachable(f"cannot {what}: not authorised at {self.url}: {message}")
        survivors = f": {', '.join(value['data']['survivors'])}" if _SURVIVORS(value) else ""
        raise Refused(f"cannot {what}: {message}{survivors}", status)


class _Http:
    """Requests over HTTP, each with a connection of its own."""

    def __init__(self, url: str, token: str, timeout: float) -> None:
        if not _SENDABLE.fullmatch(token):
            raise ValueError("cannot use the token: it takes printable ASCII characters, without spaces")
        scheme, self._host, self._port, path = address(url, like=f"http://127.0.0.1:8091{MOUNT}")
        self._connect = HTTPSConnection if scheme == "https" else HTTPConnection
        self._path = (path or MOUNT).rstrip("/")
        self._token = token
        self._timeout = timeout

    def __call__(self, method: str, path: str) -> tuple[int, bytes]:
        timeout = None if path.endswith("/stop") else self._timeout
        connection = self._connect(self._host, self._port, timeout=timeout)
        try:
            connection.request(method, self._path + path, headers={"Authorization": f"Bearer {self._token}"})
            answer = connection.getresponse()
            return answer.status, answer.read(_LIMIT)
        finally:
            connection.close()


def _loaded(body: bytes) -> Any:
    """Return what the JSON *body* holds; nothing when it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def address(url: str, *, like: str) -> tuple[str, str, int | None, str]:
    """Return scheme, host, port and path of *url*. What is wrong is not shown: it may hold a password.

    :raises ValueError: it is none; *like* is one.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https") or "@" in parts.netloc or not _SENDABLE.fullmatch(url):
        raise ValueError(f"cannot use the address: it is not like {like}")
    return parts.scheme, host, port, parts.path


def reachable(host: str) -> str:
    """Return where on this machine is reached what listens at *host*, which may be every address there is."""
    return {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104


def in_url(host: str) -> str:
    """Return *host* as a URL has it."""
    return f"[{host}]" if ":" in host else host


def find(directory: Path) -> Client:
    """Return a client of the ``processman up`` that runs in *directory*.

    :raises Unreachable: there is none.
    """
    try:
        home = private.home(directory)
        if not _is_locked(home / "lock"):  # what is written there may name a port that is a stranger's by now
            raise FileNotFoundError(home)
    except FileNotFoundError:
        why = _failure(directory) or f"no `processman up` runs in {directory}"
        raise Unreachable(f"cannot find a manager: {why}") from None
    except OSError as error:
        raise Unreachable(f"cannot find the manager of {directory}: {error}") from error
    path = home / "state.json"
    if not path.exists():
        raise Unreachable(f"cannot ask the manager of {directory}: it is just starting, try again")
    try:
        state = json.loads(private.read(path))
        return Client(state["address"], Path(state["tokenFile"]).read_text("utf-8").strip())
    except (OSError, ValueError, TypeError, LookupError) as error:
        raise Unreachable(f"cannot get in to the manager of {directory}: {error}") from error


def _failure(directory: Path) -> str:
    """Return what keeps PocketBase's manager from running there, if it has said so."""
    with suppress(OSError, ValueError, LookupError, TypeError):
        why = json.loads(private.read(private.home(directory) / "state.json"))["error"]
        return f"PocketBase's cannot start: {why}"
    return ""


def _is_locked(path: Path) -> bool:
    fd = private.open_file(path, os.O_RDWR)
    try:
        return not private.lock(fd)
    finally:
        os.close(fd)
