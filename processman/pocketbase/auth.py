"""``PocketBaseAuth``: an ``auth`` for the API of any application, which asks PocketBase who may come in."""
from __future__ import annotations

import json
import logging
import re
import time
from base64 import urlsafe_b64decode
from contextlib import suppress
from hashlib import sha256
from http.client import HTTPException
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from ..wsgi.auth import AuthUnavailable, Identity
from .question import Question

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

logger = logging.getLogger(__name__)

#: what superusers alone may ask, and what does not leave a line in PocketBase's own logs when they do
_ASKED = "/api/logs?perPage=1&skipTotal=1&fields=id"
#: seconds that an answer holds
_FRESH = 1.0
#: answers that are remembered at most
_REMEMBERED = 256
#: characters of a token; PocketBase's have some 250
_LONGEST = 4096
_TOKEN = re.compile(r"[\w-]+\.([\w-]+)\.[\w-]+", re.ASCII)
#: what PocketBase says to a superuser who comes from an address that is not among its superuser IPs
_WRONG_ADDRESS = b"not allowed to perform this request"


class PocketBaseAuth:
    """Let in who sends the token of a superuser of the PocketBase at *url*.

    ::

        app = create_app(manager, auth=PocketBaseAuth("http://127.0.0.1:8090"))

    A superuser is let in, anybody else who is logged in is not allowed (403), and whoever sends no token, or one
    that is expired or otherwise not valid, is nobody (401). An answer holds for a second, so a changed
    password or a deleted superuser counts after that at the latest. Any thread, and any forked copy.

    :param timeout: seconds that PocketBase may take for an answer, in all.
    :raises ValueError: *url* is not that of a server, or has a path, a query or a fragment.
    :raises AuthUnavailable: when called, and PocketBase cannot be asked now, or cannot tell: 503.

    .. versionadded:: 0.2
    """

    def __init__(self, url: str, *, timeout: float = 3.0) -> None:
        self._question = Question(url, _ASKED, timeout)
        #: until when which answer holds; by a hash, so that nobody finds a token in memory or in a dump
        self._answers: dict[bytes, tuple[float, Identity | bool | None]] = {}

    def __call__(self, environ: WSGIEnvironment) -> Identity | bool | None:
        """Answer as ``create_app`` asks: who it is, ``None`` for nobody, ``False`` for who may not."""
        token = _sent(environ)
        id = _owner(token)
        if id is None:
            return None
        address = _address(environ)
        key = sha256(f"{address} {token}".encode()).digest()
        now = time.monotonic()  # before it asks: what changes meanwhile must not hold for longer
        until, answer = self._answers.get(key, (now, None))
        if now >= until:
            answer = self._ask(id, token, address)
            self._remember(key, now + _FRESH, answer)
        return answer

    def close(self) -> None:
        """Close the connections that wait for the next question. It may be asked again."""
        self._question.close()

    def _remember(self, key: bytes, until: float, answer: Identity | bool | None) -> None:
        if len(self._answers) >= _REMEMBERED:
            self._answers = {}  # a new one: no lock, and who is forgotten costs one question
        self._answers[key] = until, answer

    def _ask(self, id: str, token: str, address: str) -> Identity | bool | None:
        # PocketBase heeds the address only of a proxy that its settings trust
        headers = {"Authorization": token, **({"X-Forwarded-For": address} if address else {})}
        try:
            status, body = self._question.ask(headers)
        except (OSError, HTTPException) as error:
            why = str(error) or type(error).__name__
            raise AuthUnavailable(f"PocketBase at {self._question.at} does not answer: {why}") from None
        return self._meaning(status, body, id)

    def _meaning(self, status: int, body: bytes, id: str) -> Identity | bool | None:
        if status == 200 and _is_page(body):
            return Identity(id)
        if status == 401:
            return None
        if status == 403:
            if _WRONG_ADDRESS in body:
                logger.warning("PocketBase does not let superuser %s in from here: its superuser IPs say so", id)
            return False
        at = self._question.at
        if status == 429:  # it lives, and has not even looked at the token; superusers it never limits
            raise AuthUnavailable(f"PocketBase at {at} is asked too often by who is no superuser")
        raise AuthUnavailable(f"PocketBase at {at} cannot tell: its answer has status {status}")


def _sent(environ: WSGIEnvironment) -> str:
    """Return the token of a request; PocketBase takes it with and without ``Bearer``."""
    header: str = environ.get("HTTP_AUTHORIZATION", "")
    scheme, _, rest = header.partition(" ")
    return rest.strip(" ") if scheme.lower() == "bearer" else header


def _owner(token: str) -> str | None:
    """Return whose *token* it is, or would be; ``None`` where it cannot be valid.

    Whoever has no token worth a question must not be able to use up what PocketBase lets this address ask.
    """
    match = _TOKEN.fullmatch(token) if len(token) <= _LONGEST else None
    claims = _decoded(match[1]) if match else None
    if not isinstance(claims, dict):
        return None
    id, expires = claims.get("id"), claims.get("exp")
    expired = not isinstance(expires, (int, float)) or expires <= time.time()
    return None if expired or claims.get("type") != "auth" or not isinstance(id, str) else id


def _decoded(part: str) -> Any:
    with suppress(ValueError, RecursionError):
        return json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return None


def _address(environ: WSGIEnvironment) -> str:
    """Return the address that a request came from, where it has one."""
    with suppress(ValueError):
        return str(ip_address(environ.get("REMOTE_ADDR", "").partition("%")[0]))
    return ""


def _is_page(body: bytes) -> bool:
    """Tell whether it is PocketBase that answers: other servers may say 200 to anybody who asks for anything."""
    with suppress(ValueError, RecursionError):
        page = json.loads(body)
        return isinstance(page, dict) and isinstance(page.get("items"), list) and page.get("page") == 1
    return False
