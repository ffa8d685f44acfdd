"""What is refused whatever it asks for: foreign hosts, posts of other sites, bodies."""
from __future__ import annotations

import json
import socket
from typing import Any

import pytest
from werkzeug.test import Client, create_environ, run_wsgi_app
from wsgi.api import TOKEN, FakeManager, Serve, refusal

from processman.wsgi import bearer, create_app

HOSTS = ("127.0.0.1:8091", "localhost:8091", "[::1]:8091", "ops.example")
UNKNOWN = refusal(421, "This host is not served here.")
INVALID = refusal(400, "The Host header is missing or invalid.")
FOREIGN = refusal(403, "Requests from other sites are not allowed.")


@pytest.mark.parametrize("host", [
    *HOSTS, "LOCALHOST:8091", "ops.example:443", "Ops.Example:8091", "[::1]:8091",
])
def test_a_listed_host_is_served(fake: FakeManager, host: str) -> None:
    """A-host"""
    app = create_app(fake, auth=lambda environ: True, hosts=HOSTS)
    assert Client(app).get("/web", environ_overrides={"HTTP_HOST": host}).status_code == 200


@pytest.mark.parametrize(("host", "answer"), [
    ("evil.example", UNKNOWN),
    ("localhost", UNKNOWN),
    ("localhost:80", UNKNOWN),
    ("localhost:08091", UNKNOWN),
    ("localhost.:8091", UNKNOWN),
    ("127.0.0.1.nip.io:8091", UNKNOWN),
    ("ops.example.evil.example", UNKNOWN),
    ("evil-ops.example", UNKNOWN),
    ("[::1]", UNKNOWN),
    ("", INVALID),
    (None, INVALID),
    ("localhost:8091@evil.example", INVALID),
    ("evil.example#localhost:8091", INVALID),
    ("localhost:8091/", INVALID),
    ("localhost:8091,evil.example", INVALID),
    ("localhost:8091 ", INVALID),
    ("localhost:8091\n", INVALID),
    ("localhost:", INVALID),
    ("localhost:http", INVALID),
    ("localhost:٨٠٩١", INVALID),
    ("::1", INVALID),
    ("[::1", INVALID),
    ("lo\xe7alhost:8091", INVALID),
    ("a" * 1_000_000 + "!", INVALID),
])
def test_any_other_host_is_refused_before_anybody_is_asked(
    fake: FakeManager, host: str | None, answer: object
) -> None:
    """A-host"""
    asked = []
    app = create_app(fake, auth=lambda environ: asked.append(environ) or True, hosts=HOSTS)

    environ = create_environ("/web/stop", method="POST")
    del environ["HTTP_HOST"]
    chunks, _, _ = run_wsgi_app(app, environ | ({} if host is None else {"HTTP_HOST": host}))
    assert json.loads(b"".join(chunks)) == answer
    assert asked == fake.calls == []


def test_any_host_is_served_without_a_list_and_none_with_an_empty_one(fake: FakeManager) -> None:
    for hosts, status in ((None, 200), ((), 421)):
        app = create_app(fake, auth=lambda environ: True, hosts=hosts)
        assert Client(app).get("/web").status_code == status


@pytest.mark.parametrize("hosts", ["localhost", [""], ["http://localhost"], ["::1"], ["localhost", "a b"]])
def test_a_list_of_hosts_that_can_never_match_is_an_error(fake: FakeManager, hosts: Any) -> None:
    with pytest.raises(ValueError, match="cannot allow hosts"):
        create_app(fake, auth=bearer(TOKEN), hosts=hosts)


@pytest.mark.parametrize("headers", [
    {},
    {"Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": "http://localhost"},
    {"Origin": "https://LOCALHOST"},
    {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"},
])
def test_a_post_of_our_own_pages_or_of_no_browser_is_done(ask: Any, fake: FakeManager, headers: Any) -> None:
    """A-csrf"""
    assert ask("/web/stop", "POST", headers=headers).status_code == 200
    assert fake.calls == [("stop", "web", True)]


@pytest.mark.parametrize("headers", [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": ""},
    {"Sec-Fetch-Site": "same-origin, cross-site"},
    {"Origin": "http://evil.example"},
    {"Origin": "http://localhost:8000"},
    {"Origin": "http://localhost.evil.example"},
    {"Origin": "http://localhost@evil.example"},
    {"Origin": "http://[oops"},
    {"Origin": "localhost"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"},
    {"Origin": "http://localhost", "Sec-Fetch-Site": "cross-site"},
    {"Origin": "null", "Host": ""},
])
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/json"])
def test_a_post_of_another_site_changes_nothing(ask: Any, fake: FakeManager, headers: Any, kind: str) -> None:
    """A-csrf"""
    response = ask("/web/stop", "POST", headers=headers, data="a=b", content_type=kind)
    assert response.json == FOREIGN
    assert fake.calls == []


@pytest.mark.parametrize("action", ["start", "stop", "restart"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT"])
def test_only_a_post_acts(ask: Any, fake: FakeManager, action: str, method: str) -> None:
    """A-csrf"""
    response = ask(f"/web/{action}", method)
    assert (response.status_code, response.headers["Allow"], fake.calls) == (405, "POST", [])


def test_no_other_site_is_invited(ask: Any) -> None:
    """A-csrf"""
    foreign = {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}
    for path, method in (("/list", "GET"), ("/web/stop", "OPTIONS")):
        response = ask(path, method, headers=foreign)
        assert not [name for name, _ in response.headers if name.lower().startswith("access-control")]


class Unreadable:
    """A body that nobody may touch."""

    def __getattr__(self, name: str) -> Any:
        pytest.fail(f"the body was asked for {name}")


@pytest.mark.parametrize(("length", "status"), [
    ("", 200), ("0", 200), ("4096", 200), ("0004096", 200),
    ("4097", 413), ("209715200", 413), ("9" * 10_000, 413),
    ("-5", 400), ("+5", 400), ("5.0", 400), ("0x10", 400), ("1,1", 400),
    ("٣", 400), ("²", 400), (" 5", 400), ("a", 400),
])
@pytest.mark.parametrize(("method", "path"), [("POST", "/web/stop"), ("GET", "/list")])
def test_no_body_is_read_and_a_large_one_is_refused(
    ask: Any, fake: FakeManager, method: str, path: str, length: str, status: int
) -> None:
    """A-body"""
    environ = {"CONTENT_LENGTH": length, "wsgi.input": Unreadable()}
    assert ask(path, method, environ_overrides=environ).status_code == status
    assert bool(fake.calls) == (status == 200 and method == "POST")


@pytest.mark.parametrize("encoding", ["chunked", "gzip, chunked", "identity", "x"])
def test_a_body_without_a_stated_length_is_refused(ask: Any, fake: FakeManager, encoding: str) -> None:
    """A-body"""
    environ = {"HTTP_TRANSFER_ENCODING": encoding, "CONTENT_LENGTH": "1", "wsgi.input": Unreadable()}
    response = ask("/web/stop", "POST", environ_overrides=environ)
    assert response.json == refusal(411, "A request body needs a Content-Length.")
    assert fake.calls == []


def test_a_large_body_is_refused_over_a_connection(fake: FakeManager, serve: Serve) -> None:
    """A-body"""
    with serve(fake) as ask:
        assert ask("POST", "/web/stop", b"x" * 4097, ("Content-Length", "4097")).status == 413
        assert fake.calls == []
        assert ask("POST", "/web/stop", b"{}", ("Content-Length", "2")).status == 200


@pytest.mark.parametrize("head", [
    "Content-Length: -5", "Content-Length: five", "Transfer-Encoding: gzip",
])
def test_a_senseless_length_never_acts(fake: FakeManager, serve: Serve, head: str) -> None:
    """A-body"""
    with serve(fake) as ask:
        with socket.create_connection(("127.0.0.1", ask.port), timeout=10) as connection:
            who = f"Host: localhost\r\nAuthorization: Bearer {TOKEN}"
            connection.sendall(f"POST /web/stop HTTP/1.1\r\n{who}\r\n{head}\r\n\r\n".encode())
            connection.shutdown(socket.SHUT_WR)
            status = int(connection.makefile("rb").readline().split()[1])
        assert status in (400, 411, 413, 501)
        assert fake.calls == []
