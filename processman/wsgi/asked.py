"""The API as a function, called at the owner for commands: the socket that they come over lets them in."""
from __future__ import annotations

from typing import TYPE_CHECKING

from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Response

from .app import create_app
from .auth import Identity

if TYPE_CHECKING:
    from ..manager import Manager


def respond(manager: Manager, method: str, path: str) -> tuple[int, bytes]:
    """Answer one request with its status and body."""
    app = create_app(manager, auth=lambda _: Identity("command"))
    environ = EnvironBuilder(path, method=method).get_environ()
    response = Response.from_app(app, environ)
    return response.status_code, response.get_data()
