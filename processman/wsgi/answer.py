"""Answers: JSON with the headers that keep browsers honest, and errors in PocketBase's shape."""
from __future__ import annotations

import json
from collections.abc import Mapping

from werkzeug.wrappers import Response

from ..errors import (
    AlreadyRunning,
    ChangingHands,
    NotOwner,
    NotStarted,
    Overruled,
    ProcessmanError,
    ProcessNotFound,
    StopFailed,
)
from ..masking import mask_text

#: Log lines come from children and may hold anything: no browser may guess a type, no cache may keep them.
_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}

_ENCODER = json.JSONEncoder(separators=(",", ":"))

#: What errors of the manager are over HTTP. Whatever is not here is a fault of ours: 500.
_MEANINGS: Mapping[type[ProcessmanError], tuple[int, str]] = {
    ProcessNotFound: (404, "Process not found."),
    AlreadyRunning: (400, "Process is already running."),
    Overruled: (409, "Something else was asked of the process meanwhile."),
    StopFailed: (409, "Process could not be stopped."),
    NotStarted: (503, "The process manager is not started."),
    NotOwner: (503, "The process manager runs in another process."),
    ChangingHands: (503, "The process manager is changing hands."),
}


class Refused(Exception):
    """A request is answered with an error. *message* and *data* go out as they are: no input, no secret."""

    def __init__(self, status: int, message: str, *, data: Mapping[str, object] | None = None,
                 headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.data = data or {}
        self.headers = headers or {}

    def __reduce__(self) -> tuple[object, ...]:
        return _refused, (self.status, self.message, dict(self.data), dict(self.headers))


def _refused(status: int, message: str, data: Mapping[str, object], headers: Mapping[str, str]) -> Refused:
    return Refused(status, message, data=data, headers=headers)


def meaning(error: ProcessmanError) -> Refused | None:
    """Return what *error* of the manager is over HTTP; ``None`` when it should not have got this far."""
    known = _MEANINGS.get(type(error))
    survivors = [mask_text(name) for name in error.survivors] if isinstance(error, StopFailed) else []
    headers = {"Retry-After": "1"} if isinstance(error, ChangingHands) else None
    return known and Refused(*known, data={"survivors": survivors} if survivors else None, headers=headers)


def dump(value: object) -> str:
    """Return *value* as compact JSON in ASCII, so that a lone surrogate in a path cannot spoil it."""
    return _ENCODER.encode(value)


def success(text: str) -> Response:
    """Return the answer 200 with the JSON *text*."""
    return Response(text, mimetype="application/json", headers=_HEADERS)


def refusal(refused: Refused) -> Response:
    """Return the answer that *refused* stands for."""
    body = {"data": refused.data, "message": refused.message, "status": refused.status}
    return Response(dump(body), refused.status, mimetype="application/json",
                    headers={**_HEADERS, **refused.headers})
