"""A manager that only remembers what it was asked, and what asks servers over real connections."""
from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from processman.config import Config, ProcessConfig
from processman.errors import AlreadyRunning, ProcessNotFound
from processman.events import LogLine, News
from processman.states import UP, State, Status

TOKEN = "a-token-of-enough-bytes"
START = datetime(2026, 1, 30, 10, 0, tzinfo=UTC)
#: every route, with the method it is asked with
ROUTES = (
    ("GET", "/list"), ("GET", "/web"), ("GET", "/web/logs"),
    ("POST", "/web/start"), ("POST", "/web/stop"), ("POST", "/web/restart"),
)

Serve = Callable[..., AbstractContextManager["Asker"]]


@dataclass(eq=False)
class FakeManager:
    """The methods of a manager that the API may use; *calls* are those that would have changed something."""

    config: Config = field(default_factory=lambda: Config(data_dir="/app/pb_data"))
    statuses: dict[str, Status] = field(default_factory=dict)
    lines: list[LogLine] = field(default_factory=list)
    calls: list[tuple[str, str, bool]] = field(default_factory=list)
    #: how long each question for news could wait
    waits: list[float] = field(default_factory=list)
    #: what the next actions and looks raise
    failure: Exception | None = None

    def at_owner(self, function: Callable[..., Any], *args: Any) -> Any:
        return function(self, *args)

    def share(self) -> None:
        """Nothing is to be shared."""

    def add(self, id: str = "web", status: State = State.RUNNING, **more: Any) -> Status:
        config = more.pop("config", None) or ProcessConfig(id=id, script="web.py", cwd="/app")
        self.statuses[id] = Status(id=id, status=status, config=config, **more)
        return self.statuses[id]

    def status(self, id: str) -> Status:
        if self.failure:
            raise self.failure
        if id not in self.statuses:
            raise ProcessNotFound(id)
        return self.statuses[id]

    def list(self) -> tuple[Status, ...]:
        if self.failure:
            raise self.failure
        return tuple(self.statuses.values())

    @property
    def started(self) -> bool:
        return True

    def news(self, id: str, after: int = 0, *, epoch: str = "", timeout: float = 0.0) -> News:
        self.status(id)
        self.waits.append(timeout)
        items = tuple(line for line in self.lines if line.seq > after)
        return News(items, items[-1].seq if items else after, 0, "an-epoch")

    def logs(self, id: str, lines: int = 100) -> tuple[LogLine, ...]:
        self.status(id)
        return tuple(self.lines[-lines:])

    def start_process(self, id: str, *, wait: bool = True, timeout: float | None = None) -> None:
        if self.status(id).status in UP:
            raise AlreadyRunning(id)
        self._act("start", id, State.RUNNING, wait)

    def restart_process(self, id: str, *, wait: bool = True, timeout: float | None = None) -> None:
        self._act("restart", id, State.RUNNING, wait)

    def stop_process(self, id: str, *, wait: bool = True, timeout: float | None = None) -> None:
        self._act("stop", id, State.STOPPED, wait)

    def _act(self, what: str, id: str, then: State, wait: bool) -> None:
        self.statuses[id] = replace(self.status(id), status=then)
        self.calls.append((what, id, wait))


@dataclass(frozen=True)
class Answer:
    """What came over a real connection."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def line(seq: int = 1, content: str = "hello", **more: Any) -> LogLine:
    more = {"timestamp": START, "process_id": "web", "stream": "stdout", "run": 1} | more
    return LogLine(seq=seq, content=content, **more)


def refusal(status: int, message: str, data: object = None) -> dict[str, object]:
    return {"data": data or {}, "message": message, "status": status}


@dataclass(frozen=True)
class Asker:
    """Asks over a new connection each time."""

    port: int

    def __call__(
        self, method: str, path: str, body: bytes | None = None, *headers: tuple[str, str], token: str = TOKEN
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.putrequest(method, path)
            for name, value in (*headers, *([("Authorization", f"Bearer {token}")] if token else ())):
                connection.putheader(name, value)
            connection.endheaders(body)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()
