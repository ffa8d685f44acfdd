"""What a browser can be made to send: it carries the user's cookies, so it has to prove that he meant it.

A page of another site can have a form sent to us, cookies included. It cannot add a header of its own to
one, and neither can it add a token: each of the two is the proof.
"""
from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..wsgi.answer import Refused, refusal
from ..wsgi.checks import check_site

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_HARMLESS = ("GET", "HEAD", "OPTIONS")
#: schemes of ``Authorization`` that no browser adds by itself, as it does cookies and Basic
_TOKENS = ("bearer", "token")
#: characters of a token that comes without a scheme, as clients of PocketBase send it, at least
_LEAST = 16


def protect(app: WSGIApplication) -> WSGIApplication:
    """Answer 403 before *app* is asked, where a page of another site may have made a browser send the request.

    Unsafe methods need ``X-Processman: 1``, or an ``Authorization`` with a token.
    """

    def protected(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            check(environ)
        except Refused as refused:
            return refusal(refused)(environ, start_response)
        return app(environ, start_response)

    return protected


def check(environ: WSGIEnvironment, *, verified: bool = False) -> None:
    """Refuse a request with an unsafe method that may not be the user's own.

    :param verified: a token of the framework's has proved it already; another site is refused all the same.
    :raises Refused: 403.
    """
    if environ["REQUEST_METHOD"] in _HARMLESS:
        return
    check_site(environ)
    if not (verified or environ.get("HTTP_X_PROCESSMAN") == "1" or _has_token(environ)):
        raise Refused(403, "Send the header X-Processman: 1, which shows that no other site made this request.")


def _has_token(environ: WSGIEnvironment) -> bool:
    scheme, _, credential = environ.get("HTTP_AUTHORIZATION", "").strip().partition(" ")
    return scheme.lower() in _TOKENS if credential else len(scheme) >= _LEAST
