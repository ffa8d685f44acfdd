from __future__ import annotations

import http.client
import itertools
import json
import logging
import select
import socket
import socketserver
import threading
import time
from contextlib import ExitStack
from types import SimpleNamespace

import pytest
from support import until

from processman.wsgi import server as module
from processman.wsgi.server import Server


def app(environ, start_response):
    """Tell what came in; do odd things on request."""
    match environ["PATH_INFO"]:
        case "/raise":
            raise ValueError("secret words")
        case "/stream":
            start_response("200 OK", [("Content-Type", "text/plain")])
            return iter([b"one", b"two"])
        case "/large":
            start_response("413 Content Too Large", [("Content-Length", "5")])
            return [b"large"]
        case "/huge":
            start_response("200 OK", [("Content-Length", str(1 << 26))])
            return [bytes(1 << 20)] * 64
    seen = {name: value for name, value in environ.items() if isinstance(value, str)}
    seen["body"] = environ["wsgi.input"].read().decode()
    text = json.dumps(seen).encode()
    start_response("200 OK", [("Content-Length", str(len(text)))])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [text]


@pytest.fixture
def serve():
    with ExitStack() as stack:
        yield lambda host="127.0.0.1": stack.enter_context(Server(host, 0, app))


@pytest.fixture
def port(serve):
    return serve().port


@pytest.fixture
def connection(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    yield connection
    connection.close()


def raw(port: int, data: bytes) -> bytes:
    """Send *data*, and return everything that comes back until the connection is closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(data)
        return b"".join(iter(lambda: client.recv(65536), b""))


def status(answer: bytes) -> int:
    return int(answer.split()[1])


def test_a_connection_serves_many_requests(connection):
    sockets = set()
    for body in ("", "x" * 4096, "y"):
        connection.request("POST", "/a%20b?lines=5", body=body, headers={"X-Odd": "1"})
        sockets.add(connection.sock)
        seen = json.loads(connection.getresponse().read())
        assert (seen["PATH_INFO"], seen["QUERY_STRING"], seen["body"]) == ("/a b", "lines=5", body)
        assert (seen["REQUEST_METHOD"], seen["HTTP_X_ODD"], seen["SCRIPT_NAME"]) == ("POST", "1", "")
    assert len(sockets) == 1


def test_the_time_begins_anew_with_each_request(connection, monkeypatch):
    clock = itertools.count(0, module.TIMEOUT / 5)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    for _ in range(10):
        connection.request("GET", "/")
        assert connection.getresponse().read()
        assert select.select([connection.sock], [], [], 0.02)[0] == [], "it was closed"


def test_the_environment_of_the_server_stays_out(connection):
    """S12"""
    connection.request("GET", "/")
    assert "PATH" not in json.loads(connection.getresponse().read())


def test_no_answer_waits_for_more_of_the_request(connection):
    connection.request("HEAD", "/")
    assert connection.getresponse().read() == b""
    connection.request("GET", "/stream")
    answer = connection.getresponse()
    assert (answer.getheader("Connection"), answer.read()) == ("close", b"onetwo")


def test_an_exception_tells_nothing(connection, caplog):
    """A-exceptions"""
    connection.request("GET", "/raise")
    answer = connection.getresponse()
    assert answer.status == 500
    assert b"secret" not in answer.read()
    assert "secret words" in caplog.text
    assert answer.getheader("Server") == "processman"


@pytest.mark.parametrize(("request_bytes", "expected"), [
    (b"GET / HTTP/1.1\r\nX: " + b"a" * 16384 + b"\r\n\r\n", 431),
    (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 3000 + b"\r\n", 431),
    (b"GET /" + b"a" * 17000 + b" HTTP/1.1\r\n\r\n", 431),
    (b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\n\r\n", 414),
    (b"GET / HTTP/9.9\r\n\r\n", 505),
    (b"G\xffT / x y z\r\n\r\n", 400),
    (b"BREW / HTTP/1.1\r\n\r\n", 501),
    (b"POST /large HTTP/1.1\r\nContent-Length: -5\r\n\r\n", 413),
    (b"POST /large HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nGET / HTTP/1.1\r\n\r\n", 413),
    (b"POST /large HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nGET /\r\n0\r\n\r\n", 413),
    (b"POST /large HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\nGET / HTTP/1.1\r\n\r\n", 413),
], ids=lambda value: value[:20] if isinstance(value, bytes) else str(value))  # fmt: skip
def test_an_odd_request_gets_one_answer_and_a_closed_connection(request_bytes, expected, port, monkeypatch):
    """A-body: what follows a body that is not read is no request."""
    monkeypatch.setattr(module, "TIMEOUT", 0.3)
    answer = raw(port, request_bytes)
    assert status(answer) == expected
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"<" not in answer


def test_a_large_body_is_answered_and_not_kept(port):
    """A-body: 413 reaches a client that is still sending."""
    size = 64 << 20
    head = b"POST /large HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % size
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(head)
        for _ in range(size >> 20):
            client.sendall(bytes(1 << 20))
        assert status(client.recv(65536)) == 413


def test_a_client_that_waits_before_a_large_body_need_not_send_it(port, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT", 0.3)
    head = b"POST /%s HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    assert status(raw(port, head % (b"large", 1 << 30))) == 413
    assert status(raw(port, head % (b"small", 5))) == 100


@pytest.mark.parametrize("sent", [
    b"", b"GET / HT", b"GET / HTTP/1.1\r\nX: y", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nab",
])  # fmt: skip
def test_a_slow_client_is_closed(sent, port, monkeypatch):
    """A-body: slowloris and idle sockets."""
    monkeypatch.setattr(module, "TIMEOUT", 0.2)
    assert raw(port, sent) == b""


def test_a_byte_now_and_then_does_not_extend_the_time(port, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT", 0.3)
    closed = threading.Event()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        def drip():
            try:
                while not closed.wait(0.02):
                    client.sendall(b"x")
            except OSError:
                closed.set()

        thread = threading.Thread(target=drip)
        thread.start()
        thread.join(10)
        assert not thread.is_alive()


def test_a_client_that_takes_nothing_in_is_given_up(port, monkeypatch, caplog):
    monkeypatch.setattr(module, "TIMEOUT", 0.3)
    monkeypatch.setattr(module._Handler, "timeout", 0.3)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(b"GET /huge HTTP/1.1\r\n\r\n")
        until(lambda: not handlers(), what="the end of the connection's thread")
    assert caplog.records == []


def handlers() -> list[str]:
    return [t.name for t in threading.enumerate() if "process_request_thread" in t.name]


def test_there_are_so_many_connections_and_no_more(port, monkeypatch):
    """A-body: threads are bounded."""
    with ExitStack() as stack:
        for _ in range(module.CONNECTIONS):
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
        until(lambda: len(handlers()) == module.CONNECTIONS)
        assert status(raw(port, b"")) == 503
    until(lambda: not handlers())
    assert status(raw(port, b"GET / HTTP/1.0\r\n\r\n")) == 200


def test_an_address_in_use_is_an_error(port):
    with pytest.raises(OSError, match="in use"):
        Server("127.0.0.1", port, app)


def test_a_connection_that_cannot_be_taken_is_not_tried_again_for_ever(port, monkeypatch):
    """R-emfile: the server does not spin while there are no descriptors, and goes on when there are."""
    tries: list[float] = []
    accept = socketserver.TCPServer.get_request

    def fail(server):
        tries.append(time.monotonic())
        if len(tries) < 4:
            raise OSError(24, "Too many open files")
        return accept(server)

    monkeypatch.setattr(socketserver.TCPServer, "get_request", fail)
    assert status(raw(port, b"GET / HTTP/1.0\r\n\r\n")) == 200
    assert min(later - earlier for earlier, later in itertools.pairwise(tries)) > 0.09


def test_ipv6(serve):
    try:
        port = serve("::1").port
    except OSError:
        pytest.skip("this machine has no IPv6")
    connection = http.client.HTTPConnection("::1", port, timeout=10)
    connection.request("GET", "/")
    assert json.loads(connection.getresponse().read())["REMOTE_ADDR"] == "::1"
    connection.close()


def test_closing_is_immediate_and_leaves_no_thread(caplog):
    with Server("127.0.0.1", 0, app) as server:
        assert status(raw(server.port, b"GET / HTTP/1.0\r\n\r\n")) == 200
    with pytest.raises(OSError, match="refused"):
        raw(server.port, b"")
    until(lambda: "processman-http" not in [t.name for t in threading.enumerate()])
    assert [r for r in caplog.records if r.levelno > logging.INFO] == []
