"""The WSGI application that a hook asks: the API of its manager, and three requests of the hook's own."""
from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from ..wsgi.auth import Auth

#: says who serves whom; ``/hook/stop`` ends all and answers when nothing is left; ``/hook/leave`` ends the manager
HOOK = "/hook"


class Control:
    """Serves *api*, and beside it, to whom *auth* lets in, the words of the hook."""

    def __init__(
        self, api: WSGIApplication, auth: Auth, *, about: Callable[[], Mapping[str, object]],
        stop: Callable[[], None], leave: Callable[[], None],
    ) -> None:
        self._api, self._auth, self._about = api, auth, about
        self._words = {
            ("GET", HOOK): self._nothing, ("POST", f"{HOOK}/stop"): stop, ("POST", f"{HOOK}/leave"): leave,
        }

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        do = self._words.get((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
        if do is None or not self._auth(environ):
            return self._api(environ, start_response)  # to which all of it is unknown
        do()
        body = json.dumps(dict(self._about())).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    def _nothing(self) -> None:
        """Only say who we are."""
