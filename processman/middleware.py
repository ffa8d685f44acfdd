"""The REST API around any WSGI application: below a prefix it answers, everywhere else the application does."""
from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from .autostart import autostart
from .wsgi import create_app

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from .manager import Manager
    from .wsgi.auth import Auth


class Mounted:
    """A WSGI application that also answers for the processes of :attr:`manager`. Made by :func:`mount`."""

    def __init__(self, app: WSGIApplication, api: WSGIApplication, prefix: str, manager: Manager) -> None:
        #: the application inside
        self.app = app
        #: whose processes the API shows
        self.manager = manager
        self._api = api
        # as PATH_INFO spells it: bytes, written as Latin-1
        self._prefix = prefix.encode().decode("latin-1")

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if not f"{path}/".startswith(f"{self._prefix}/"):
            return self.app(environ, start_response)
        below = {
            "SCRIPT_NAME": environ.get("SCRIPT_NAME", "") + self._prefix,
            "PATH_INFO": path.removeprefix(self._prefix),
        }
        return self._api({**environ, **below}, start_response)


def mount(
    app: WSGIApplication,
    manager: Manager,
    prefix: str = "/api/pm",
    *,
    auth: Auth | None = None,
    hosts: Collection[str] | None = None,
) -> Mounted:
    """Serve *manager* below *prefix* of *app*, and start it where this process serves.

    ::

        application = mount(application, Manager(), "/api/pm", auth=bearer(os.environ["PM_TOKEN"]))

    A configuration that is wrong is logged, and the application goes on.

    :param auth: who may come in; without one everything below *prefix* is 403. See
        :func:`processman.wsgi.create_app`, for *hosts* as well.
    :raises ValueError: *prefix* is no path below ``/``, or one of *hosts* no host.
    """
    path = prefix.rstrip("/")
    if not path.startswith("/") or "//" in path:
        raise ValueError('cannot mount the API: the prefix must be a path below "/", as "/api/pm" is')
    mounted = Mounted(app, create_app(manager, auth=auth, hosts=hosts), path, manager)
    autostart(manager)
    return mounted
