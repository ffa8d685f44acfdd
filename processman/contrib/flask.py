"""Flask: one line, and processes run beside the application, with the REST API inside it."""
from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click
from flask import Blueprint, Flask, Response, request

from ..autostart import autostart
from ..manager import Manager
from ..wsgi import Identity, create_app
from ..wsgi.app import App
from . import csrf
from .settings import configuration

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication
    from flask.typing import ResponseReturnValue

logger = logging.getLogger(__name__)

Auth = Callable[[], bool | Identity | None]

#: All: what the API has no use for, it answers in its own way.
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Processman:
    """Runs processes beside a Flask application, and serves the REST API in it.

    ::

        app = Flask(__name__)
        Processman(app, auth=lambda: current_user.is_authenticated and current_user.is_admin)

    Without *app* call :meth:`init_app` later, once for each application.

    :param auth: called without arguments, in the context of the request; answers ``True`` or an ``Identity`` (come
        in), ``None`` (nobody: 401) or ``False`` (somebody, but not allowed: 403). What raises or answers anything
        else denies; ``AuthUnavailable`` is 503. Without one every request is refused.
    :param url_prefix: where the API is; a path without variables.
    """

    def __init__(
        self, app: Flask | None = None, *, auth: Auth | None = None, url_prefix: str = "/api/pm"
    ) -> None:
        self._auth = _checked(auth)
        self._prefix = _plain(url_prefix)
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Give *app* its manager, ``app.extensions["processman"]``, serve the API, and start the processes.

        ``app.config["PROCESSMAN"]`` is a dictionary with keys of :class:`~processman.Config`. A relative
        ``data_dir`` starts from ``app.root_path``; without one it is ``pb_data`` in the instance folder. Nothing
        is started in what serves nobody: shells, other commands, tests, the parent of a reloader.

        :raises ConfigError: ``app.config["PROCESSMAN"]`` is wrong. What is wrong in the file is logged instead.
        :raises RuntimeError: *app* has it already.
        """
        if "processman" in app.extensions:
            raise RuntimeError("cannot set up processman twice: Processman(app) has called init_app(app) already")
        manager = Manager(configuration(
            app.config.get("PROCESSMAN", {}), name='app.config["PROCESSMAN"]',
            home=app.root_path, data_dir=Path(app.instance_path, "pb_data"),
        ))
        app.register_blueprint(self._blueprint(manager))
        app.cli.add_command(_command(manager))
        app.extensions["processman"] = manager
        autostart(manager)

    def _api(self, manager: Manager) -> App:
        auth = self._auth
        if auth is not None:
            return create_app(manager, auth=lambda _: auth())
        logger.warning("every request to %s is refused, because nothing says who may come in: write "
                       "Processman(app, auth=lambda: current_user.is_authenticated and current_user.is_admin), "
                       "or the like", self._prefix or "/")
        return App(manager, None, None)

    def _blueprint(self, manager: Manager) -> Blueprint:
        api = self._api(manager)
        view = _view(csrf.protect(api), self._prefix)
        blueprint = Blueprint("processman", __name__, url_prefix=self._prefix)
        for rule in ("/", "/<path:path>"):
            blueprint.add_url_rule(rule, "api", view, methods=_METHODS, provide_automatic_options=False)
        return blueprint


def _view(api: WSGIApplication, prefix: str) -> Callable[..., ResponseReturnValue]:
    """Return the view that hands everything below *prefix* to *api*, as a mount would."""
    prefix = prefix.encode().decode("latin-1")  # as WSGI has its paths

    def serve(**_: str) -> ResponseReturnValue:
        outer = request.environ
        script_name = outer.get("SCRIPT_NAME", "").rstrip("/") + prefix
        path_info = outer["PATH_INFO"].removeprefix(prefix)
        return Response.from_app(api, {**outer, "SCRIPT_NAME": script_name, "PATH_INFO": path_info})

    return serve


def _command(manager: Manager) -> click.Command:
    """Return ``flask processman``, which asks the worker that leads, and starts nothing."""
    @click.pass_context
    def ask(context: click.Context, argv: tuple[str, ...]) -> None:
        from ..cli.inside import main

        context.exit(main(manager.config, argv, prog="flask processman"))

    return click.Command(
        "processman", callback=ask, params=[click.Argument(["argv"], nargs=-1, type=click.UNPROCESSED)],
        help="Ask the running processes.", add_help_option=False,
        context_settings={"ignore_unknown_options": True},
    )


def _checked(auth: Auth | None) -> Auth | None:
    """Refuse what would fail at every request, ``bearer(...)`` for one, which takes the environ."""
    try:
        if auth is not None:
            inspect.signature(auth).bind()
    except TypeError:
        raise TypeError("cannot use auth: it has to be a function that takes no arguments; "
                        "with bearer(...) write auth=lambda: tokens(request.environ)") from None
    except ValueError:  # some builtins do not tell what they take
        pass
    return auth


def _plain(url_prefix: str) -> str:
    if (url_prefix and not url_prefix.startswith("/")) or "<" in url_prefix:
        raise ValueError("cannot use url_prefix: it has to be a path without variables, such as /api/pm")
    return url_prefix.rstrip("/")
