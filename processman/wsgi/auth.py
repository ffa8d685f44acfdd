"""Who asks: the hook that a host brings along, and the one made of tokens.

A hook takes the WSGI environ and answers ``True`` or an :class:`Identity` (come in), ``None`` (nobody: 401)
or ``False`` (somebody, but not allowed: 403). Everything else is 403 too: what is not granted is denied.
"""
from __future__ import annotations

import hmac
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..errors import ProcessmanError
from .answer import Refused

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

logger = logging.getLogger(__name__)

_LEAST = 16
_TRY_AGAIN = {"Retry-After": "5"}


class AuthUnavailable(ProcessmanError):
    """Raised by a hook that cannot tell right now who asks: 503, try again."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody who may come in: *name* is for the log, the role ``"read"`` may only GET."""

    name: str
    role: Literal["control", "read"] = "control"

    def __post_init__(self) -> None:
        if self.role not in ("control", "read"):
            raise ValueError('cannot make an identity: the role must be "control" or "read"')


Auth = Callable[["WSGIEnvironment"], bool | Identity | None]


def bearer(*tokens: str) -> Auth:
    """Make a hook that lets in whoever sends ``Authorization: Bearer`` with one of *tokens*.

    :raises ValueError: there is no token, or one that can be guessed or never be sent.
    """
    if not tokens:
        raise ValueError("cannot make a bearer hook: no token is given")
    for token in tokens:
        _check(token)
    known = [token.encode() for token in tokens]

    def authenticate(environ: WSGIEnvironment) -> Identity | None:
        scheme, _, credential = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        # As bytes, which may be anything; and a list, so that every token is compared whichever it is.
        sent = credential.strip(" ").encode("latin-1", "replace")
        found = any([hmac.compare_digest(sent, token) for token in known])  # noqa: C419
        return Identity("token") if found and scheme.lower() == "bearer" else None

    return authenticate


def _check(token: str) -> None:
    if len(token.encode()) < _LEAST:
        raise ValueError(f"cannot make a bearer hook: a token is shorter than {_LEAST} bytes")
    if " " in token or not token.isprintable():
        raise ValueError("cannot make a bearer hook: a token holds a space, line end or control character")


def identify(auth: Auth | None, environ: WSGIEnvironment) -> Identity:
    """Return who asks.

    :raises Refused: nobody, or somebody who may not.
    """
    answer = _ask(auth, environ)
    if isinstance(answer, Identity):
        return answer
    if answer is True:
        return Identity("somebody")
    if answer is None:
        raise Refused(401, "Authentication is required.", headers={"WWW-Authenticate": "Bearer"})
    if answer is not False:
        logger.warning("auth answered with a %s, which grants nothing: request denied", type(answer).__name__)
    raise Refused(403, "You are not allowed to perform this request.")


def _ask(auth: Auth | None, environ: WSGIEnvironment) -> object:
    if auth is None:
        return False
    try:
        return auth(environ)
    except AuthUnavailable as error:
        logger.warning("cannot authenticate: %s", error)
        raise Refused(503, "Authentication is not available now.", headers=_TRY_AGAIN) from None
    except Exception:  # a hook that fails must not open the door, and its author must see why
        logger.exception("auth failed: request denied")
        return False
