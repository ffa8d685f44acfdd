"""The WSGI application: who may ask what, in which order, and what an error becomes."""
from __future__ import annotations

import logging
import secrets
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from werkzeug.wrappers import Request, Response

from ..errors import ProcessmanError
from .answer import Refused, meaning, refusal, success
from .auth import Auth, identify
from .checks import HostList, check_body, check_site
from .patience import Patience
from .routes import answer
from .static import page

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from ..manager import Manager

logger = logging.getLogger(__name__)

_HARMLESS = ("GET", "HEAD")


class App:
    """One manager over HTTP. Keeps nothing of a request; serves any number of threads."""

    def __init__(self, manager: Manager, auth: Auth | None, hosts: HostList | None) -> None:
        self._manager = manager
        self._auth = auth
        self._hosts = hosts
        self._patience = Patience()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return self._respond(environ)(environ, start_response)

    def _respond(self, environ: WSGIEnvironment) -> Response:
        try:
            return self._show(environ) or success(self._answer(environ))
        except Refused as refused:
            return refusal(refused)
        except ProcessmanError as error:
            return refusal(meaning(error) or _fault())
        except Exception:  # whatever it is, its text and traceback are for the log alone
            return refusal(_fault())

    def _show(self, environ: WSGIEnvironment) -> Response | None:
        """Return what of the dashboard is asked for: the page itself holds no secret, so anybody may have it."""
        # The host first: a page that had its name rebound to us does not even get to the hook.
        if self._hosts is not None:
            self._hosts.check(environ)
        return None if self._auth is None else page(environ)

    def _answer(self, environ: WSGIEnvironment) -> str:
        identity = identify(self._auth, environ)
        request = Request(environ, populate_request=False)
        if request.method not in _HARMLESS:
            check_site(environ)
            if identity.role == "read":
                raise Refused(403, "You are not allowed to perform this request.")
        check_body(environ)
        # where the owner is: it alone knows what is secret in a run
        asked = {name: environ.get(name, "") for name in ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING")}
        with self._patience.of(environ) as seconds:
            return self._ask(asked, identity.name, seconds)

    def _ask(self, asked: dict[str, str], name: str, patience: int) -> str:
        """Ask the owner; second by second while it has no news, so that a stop here is not waited out there."""
        for _ in range(patience):
            if not self._manager.started:
                break
            if answered := self._manager.at_owner(answer, asked, name, 1.0):
                return str(answered)
        return str(self._manager.at_owner(answer, asked, name))


def _fault() -> Refused:
    """Log the exception being handled under an id, which is all that its client learns of it."""
    fault = secrets.token_hex(6)
    logger.exception("cannot answer a request: error %s", fault)
    return Refused(500, f"Something went wrong. The log says more about error {fault}.")


def create_app(manager: Manager, *, auth: Auth | None = None, hosts: Collection[str] | None = None) -> App:
    """Make the WSGI application that serves *manager*; every route is relative to where it is mounted.

    :param auth: asked before anything of a request but its host is looked at, in the thread that serves it.
        Takes the environ; answers ``True`` or an :class:`Identity`, ``None`` (401) or ``False`` (403); may
        raise :class:`AuthUnavailable` (503). If it raises anything else, that is logged and the answer 403.
        Without one everything is 403.
    :param hosts: the ``Host`` headers that are served, as ``NAME`` or ``NAME:PORT``; ``None`` for any.
    :raises ValueError: one of *hosts* is no host.
    """
    if auth is None:
        logger.warning("the process manager is served without auth: every request is denied")
    return App(manager, auth, None if hosts is None else HostList(hosts))
