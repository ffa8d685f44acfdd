"""The small HTTP server of the command line: few connections, small requests, little patience.

Made of the standard library: werkzeug's development server closes every connection, waits after every
answer, takes in a body of any size, and ends the process when the address is in use.
"""
from __future__ import annotations

import io
import logging
import socket
import socketserver
import sys
import threading
import time
from contextlib import suppress
from http import HTTPStatus
from http.client import LineTooLong
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from wsgiref.handlers import SimpleHandler
from wsgiref.simple_server import WSGIRequestHandler

from .patience import WAITERS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

logger = logging.getLogger(__name__)

#: Seconds: for a request to come in, the idle time before it included; for each piece of an answer to go out.
TIMEOUT = 10.0
CONNECTIONS = 64
HEADERS = 16 * 1024
#: A body up to here is read, so that the connection can be used again; behind a larger one it is closed.
BODY = 4096

# Linux wakes the thread that waits for connections when its socket is shut down; elsewhere it has to look.
_LOOK = 3600.0 if sys.platform == "linux" else 0.5
_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class _Incoming(io.RawIOBase):
    """What a connection sends, up to a deadline: a byte now and then does not extend it."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.begin()

    def begin(self) -> None:
        self._deadline = time.monotonic() + TIMEOUT

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._connection.settimeout(max(self._deadline - time.monotonic(), 0.001))
        try:
            return self._connection.recv_into(buffer)
        finally:
            self._connection.settimeout(TIMEOUT)


class _Headers:
    """Lets the parser of the headers read so many bytes and no more."""

    def __init__(self, source: io.BufferedReader, left: int) -> None:
        self._source = source
        self._left = left

    def readline(self, limit: int) -> bytes:
        line = self._source.readline(min(limit, max(self._left, 0) + 1))
        self._left -= len(line)
        if self._left < 0:
            raise LineTooLong("headers")
        return line


class _Answer(SimpleHandler):
    """Runs the application for one request. Nothing of our environment gets into its environ."""

    os_environ: dict[str, str] = {}  # noqa: RUF012 (the base class has it so)
    http_version = "1.1"
    server_software = "processman"
    headers: Any

    def __init__(self, handler: _Handler, body: bytes) -> None:
        super().__init__(io.BytesIO(body), handler.wfile, sys.stderr, handler.get_environ())
        self._handler = handler

    def cleanup_headers(self) -> None:
        super().cleanup_headers()
        if "Content-Length" not in self.headers:
            self._handler.close_connection = True
        if self._handler.close_connection:
            self.headers["Connection"] = "close"

    def log_exception(self, exc_info: Any) -> None:
        self._handler.close_connection = True
        if not isinstance(exc_info[1], OSError):  # that is a client that went away, or takes nothing in
            logger.error("cannot answer a request", exc_info=exc_info)


class _Handler(WSGIRequestHandler):
    """One connection, in a thread of its own."""

    protocol_version = "HTTP/1.1"
    default_request_version = "HTTP/1.0"  # not 0.9, whose answers have no status
    server_version = "processman"
    sys_version = ""
    error_content_type = "application/json"
    error_message_format = '{"data":{},"message":"%(message)s.","status":%(code)d}'
    timeout = TIMEOUT
    disable_nagle_algorithm = True
    raw_requestline: bytes

    def setup(self) -> None:
        super().setup()
        self._incoming = _Incoming(self.connection)
        self.rfile.close()
        self.rfile: Any = io.BufferedReader(self._incoming)
        self.wfile: Any = io.BufferedWriter(self.wfile, 65536)

    def handle(self) -> None:
        with suppress(OSError):  # the client is gone: there is nobody to tell
            BaseHTTPRequestHandler.handle(self)

    def handle_one_request(self) -> None:
        self._incoming.begin()
        super().handle_one_request()

    def parse_request(self) -> bool:
        whole, self.rfile = self.rfile, _Headers(self.rfile, HEADERS - len(self.raw_requestline))
        try:
            good = super().parse_request()
        finally:
            self.rfile = whole
        if good:  # the path as it was sent: of several slashes in front the base class makes one
            self.path = self.requestline.split()[1]
        return good

    def handle_expect_100(self) -> bool:
        return self._length() is None or super().handle_expect_100()

    def _length(self) -> int | None:
        """Return how long the body is; ``None`` when we are not going to read it."""
        text, *more = self.headers.get_all("Content-Length") or ["0"]
        plain = text.isascii() and text.isdigit() and len(text) <= len(str(BODY))
        if not plain or more or "Transfer-Encoding" in self.headers or int(text) > BODY:
            return None
        return int(text)

    def respond(self) -> None:
        """Answer one request."""
        length = self._length()
        body: bytes = self.rfile.read(length) if length else b""
        if length is None or len(body) < length:
            self.close_connection = True
        _Answer(self, body).run(self.server.app)  # type: ignore[attr-defined]

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = respond  # noqa: N815

    def finish(self) -> None:
        """Let a client finish that is still sending: a reset would take the answer away from it."""
        with suppress(OSError):
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_WR)
            while self.rfile.read1(65536):
                pass
        with suppress(OSError):
            super().finish()

    def send_error(self, code: int, *_: Any) -> None:
        """Answer with an error in fixed words: those given may repeat the request."""
        super().send_error(code, HTTPStatus(code).phrase)

    def log_message(self, *_: Any) -> None:
        """Keep quiet: who asks what is the application's to log."""


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Serves *app* while it is entered, on *host* and *port*; ``.port`` is the one that 0 became.

    :raises OSError: the address cannot be had.
    """

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str, port: int, app: WSGIApplication) -> None:
        self.app = app
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Handler)
        self.port: int = self.server_address[1]
        self.base_environ = {"SERVER_NAME": host, "SERVER_PORT": str(self.port), "SCRIPT_NAME": "",
                             "CONTENT_LENGTH": "", WAITERS: CONNECTIONS // 2}
        self._free = threading.Semaphore(CONNECTIONS)
        self._closing = threading.Event()

    def __enter__(self) -> Server:
        threading.Thread(target=self.serve_forever, args=[_LOOK], name="processman-http", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        with suppress(OSError):  # not everywhere can a listening socket be shut down
            self.socket.shutdown(socket.SHUT_RDWR)
        self.shutdown()
        self.server_close()

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection; when that fails (too many open files) do not try again at once, for ever."""
        try:
            return super().get_request()
        except OSError:
            self._closing.wait(0.1)
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread, if one of the connections is free."""
        if not self._free.acquire(blocking=False):
            with suppress(OSError):
                request.sendall(_BUSY)
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer all requests of a connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, *_: object) -> None:
        """Log what went wrong with a connection."""
        logger.exception("cannot serve a connection")


def below(mount: str, app: WSGIApplication) -> WSGIApplication:
    """Serve *app* below the path *mount*, and nothing beside it but the way to its page."""
    def mounted(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/":  # where somebody looks for the dashboard first
            start_response("302 Found", [("Location", f"{mount}/"), ("Content-Length", "0")])
            return []
        inside = f"{path}/".startswith(f"{mount}/")
        # what is outside is asked for as a path that does not exist, so that strangers learn nothing
        place = {"SCRIPT_NAME": mount, "PATH_INFO": path.removeprefix(mount)}
        return app({**environ, **(place if inside else {"PATH_INFO": "/-/"})}, start_response)

    return mounted
