"""What is refused whatever it asks for: foreign hosts, posts that other sites made, bodies."""
from __future__ import annotations

import re
from collections.abc import Collection
from typing import TYPE_CHECKING

from .answer import Refused

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

#: A name, an IPv4 or a bracketed IPv6 address, then perhaps a port.
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(:[0-9]{1,5})?")
_BODY_LIMIT = 4096


class HostList:
    """The hosts that may be asked for. One without a port allows any port. Stops DNS rebinding.

    :raises ValueError: one of *hosts* is no host.
    """

    def __init__(self, hosts: Collection[str]) -> None:
        # A string is a collection of strings too, and each of its letters a good host name.
        for host in ("",) if isinstance(hosts, str) else hosts:
            if not _HOST.fullmatch(host):
                raise ValueError("cannot allow hosts: they are a list of NAME or NAME:PORT; IPv6 in brackets")
        self._hosts = frozenset(host.lower() for host in hosts)

    def check(self, environ: WSGIEnvironment) -> None:
        """Refuse a request to another host."""
        host = _HOST.fullmatch(environ.get("HTTP_HOST", ""))
        if host is None:
            raise Refused(400, "The Host header is missing or invalid.")
        if self._hosts.isdisjoint((host[0].lower(), host[1].lower())):
            raise Refused(421, "This host is not served here.")


def check_site(environ: WSGIEnvironment) -> None:
    """Refuse what a browser marks as made by a page of another site."""
    site = environ.get("HTTP_SEC_FETCH_SITE", "none")
    if site not in ("same-origin", "none") or not _same_host(environ):
        raise Refused(403, "Requests from other sites are not allowed.")


def _same_host(environ: WSGIEnvironment) -> bool:
    # Cut by hand: urlsplit raises for some of what may stand here. The origin "null" has no host.
    origin = environ.get("HTTP_ORIGIN")
    host = origin and origin.partition("://")[2]
    return origin is None or bool(host and host.lower() == environ.get("HTTP_HOST", "").lower())


def check_body(environ: WSGIEnvironment) -> None:
    """Refuse a body that is large or has no stated length. Nothing of any body is ever read."""
    if environ.get("HTTP_TRANSFER_ENCODING"):
        raise Refused(411, "A request body needs a Content-Length.")
    length = environ.get("CONTENT_LENGTH") or "0"
    if not (length.isascii() and length.isdigit()):
        raise Refused(400, "The Content-Length is invalid.")
    # Its length first: a number of some thousand digits cannot even be made.
    if len(length.lstrip("0")) > len(str(_BODY_LIMIT)) or int(length) > _BODY_LIMIT:
        raise Refused(413, "The request body is too large.")
