"""The dashboard: one page and what it is made of, a fixed set of files that are read once."""
from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from importlib import resources
from typing import TYPE_CHECKING
from urllib.parse import quote

from werkzeug.wrappers import Response

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_TYPES = {
    "css": "text/css; charset=utf-8", "html": "text/html; charset=utf-8", "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_PAGE = "index.html"
#: Nothing but our own files runs or is asked, and no other page may hold this one in a frame.
_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
                               "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def page(environ: WSGIEnvironment) -> Response | None:
    """Return what of the dashboard the request *environ* asks for; ``None`` when that is something else."""
    if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
        return None
    path = environ.get("PATH_INFO", "")
    if path == "":  # its files are named relative to the page
        mount = environ.get("SCRIPT_NAME", "").rpartition("/")[2]
        return Response(status=302, headers={"Location": f"./{quote(mount, encoding='latin-1')}/"})
    name = _PAGE if path == "/" else path.removeprefix("/static/")
    known = _files().get(name)
    if known is None or (path != "/" and not path.startswith("/static/")):
        return None
    content, etag = known
    response = Response(content, content_type=_TYPES[name.rpartition(".")[2]], headers=_HEADERS)
    response.set_etag(etag)
    return response.make_conditional(environ)


@functools.cache
def _files() -> Mapping[str, tuple[bytes, str]]:
    """Return each file by name, with what tells its versions apart."""
    folder = resources.files("processman") / "dashboard"
    contents = {file.name: file.read_bytes() for file in folder.iterdir() if file.name.rpartition(".")[2] in _TYPES}
    return {name: (content, hashlib.sha256(content).hexdigest()[:16]) for name, content in contents.items()}
