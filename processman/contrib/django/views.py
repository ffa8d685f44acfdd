"""The view: the WSGI application of the API, asked by Django under WSGI and ASGI alike."""
from __future__ import annotations

from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware

from ...manager import Manager
from ...wsgi import create_app
from ...wsgi.answer import Refused, refusal
from ...wsgi.auth import Auth
from ...wsgi.checks import check_body
from .. import csrf
from . import conf

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

_REQUEST = "processman.request"


class View:
    """One mount of the API.

    :param auth: as ``create_app`` takes it; ``None`` for the function that ``AUTH`` names, which may trust in
        cookies, so that it is not even asked where another site may have made a browser send them.
    """

    #: for Django's middleware, which takes no proof but its own token; ours takes that, too
    csrf_exempt = True
    #: for the middleware that sends strangers to the login page: they are told 401
    login_required = False

    def __init__(self, auth: Auth | None = None) -> None:
        self._auth = auth

    def __call__(self, request: HttpRequest, route: str, **_: object) -> HttpResponse:
        environ = _environ(request, route)
        app = _app(conf.manager(), self._auth or _ask)
        try:
            if self._auth is None:
                check_body(environ)  # before a form is read for its token
                csrf.check(environ, verified=_has_token(request))
        except Refused as refused:
            app = refusal(refused)
        return _answer(app, environ)


@cache
def _app(manager: Manager, auth: Auth) -> WSGIApplication:
    """Return the same application each time: it keeps what is dear to make."""
    return create_app(manager, auth=auth)


def _ask(environ: WSGIEnvironment) -> Any:
    return conf.auth()(environ[_REQUEST])


class _TokenCheck(CsrfViewMiddleware):  # type: ignore[misc]
    """Django's check of its token, without the page that it answers."""

    def _reject(self, _: HttpRequest, reason: str) -> str:
        return reason


def _has_token(request: HttpRequest) -> bool:
    """Tell whether Django's CSRF token shows that the request is the user's own."""
    return _TokenCheck(lambda _: None).process_view(request, None, (), {}) is None


def _environ(request: HttpRequest, route: str) -> WSGIEnvironment:
    """Return the environ of *request* below its mount. Under ASGI ``META`` is all that there is of one."""
    return {
        **request.META,
        "SCRIPT_NAME": _wsgi_text(request.path.removesuffix(route).rstrip("/")),
        "PATH_INFO": _wsgi_text("/" + route),
        # as Django sees it behind a proxy; it refuses one that ALLOWED_HOSTS does not hold
        "HTTP_HOST": request.get_host(),
        "wsgi.url_scheme": request.scheme,
        "wsgi.input": BytesIO(),  # the API reads no body, and Django may have read it
        _REQUEST: request,
    }


def _wsgi_text(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


def _answer(app: WSGIApplication, environ: WSGIEnvironment) -> HttpResponse:
    """Return what *app* answers."""
    head: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], _: object = None) -> Any:
        head[:] = status, headers

    content = b"".join(app(environ, start_response))
    code, _, reason = head[0].partition(" ")
    response = HttpResponse(content, status=int(code), reason=reason)
    for name, value in head[1]:
        if name == "Set-Cookie":  # the one that may be there more than once
            response.cookies.load(value)
        else:
            response[name] = value
    return response
