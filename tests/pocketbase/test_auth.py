"""``PocketBaseAuth``: whom a real PocketBase lets in, and what is not even asked of it."""
from __future__ import annotations

import json
import logging
import os
import socket
import ssl
import threading
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pocketbase_server import EMAIL, PASSWORD, Server, free_port
from support import until
from werkzeug.test import Client
from wsgi.api import FakeManager, refusal

from processman.pocketbase import PocketBaseAuth
from processman.wsgi import AuthUnavailable, Identity, create_app

NOBODY = (401, refusal(401, "Authentication is required."))
DENIED = (403, refusal(403, "You are not allowed to perform this request."))
UNAVAILABLE = (503, refusal(503, "Authentication is not available now."))
LATER = 4102444800
CLAIMS = {"type": "auth", "id": "c8lbmjkme5clmpc", "exp": LATER, "collectionId": "pbc_3142635823"}


@pytest.fixture
def pocketbase(tmp_path: Path) -> Iterator[Server]:
    """A PocketBase that serves, with one superuser."""
    made = Server(tmp_path / "pb_data")
    made.command("superuser", "upsert", EMAIL, PASSWORD)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def auth(pocketbase: Server) -> Iterator[PocketBaseAuth]:
    made = PocketBaseAuth(pocketbase.url)
    yield made
    made.close()


@pytest.fixture
def nowhere() -> PocketBaseAuth:
    """One whose PocketBase is not there: whatever it asks is answered 503."""
    return PocketBaseAuth(f"http://127.0.0.1:{free_port()}")


@pytest.fixture(autouse=True)
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """What is logged, at any level, which never holds a token."""
    caplog.set_level(logging.DEBUG)
    yield caplog
    assert "eyJ" not in caplog.text


def part(claims: object) -> str:
    return urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")


def forged(**claims: object) -> str:
    """Return a token that could be valid, were it signed by who may."""
    return f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part({**CLAIMS, **claims})}.{'A' * 43}"


def sent(token: str, address: str = "127.0.0.1") -> dict[str, Any]:
    return {"HTTP_AUTHORIZATION": token, "REMOTE_ADDR": address}


def status_of(auth: PocketBaseAuth, token: str = "") -> tuple[int, object]:
    headers = {"Authorization": token} if token else {}
    response = Client(create_app(FakeManager(), auth=auth)).get("/list", headers=headers)
    return response.status_code, response.json


def is_down(auth: PocketBaseAuth, token: str) -> bool:
    with suppress(AuthUnavailable):
        auth(sent(token))
        return False
    return True


# -- whom it lets in -------------------------------------------------------------
def test_a_superuser_comes_in_and_nobody_else(pocketbase: Server, auth: PocketBaseAuth) -> None:
    superuser = pocketbase.sign_in()
    assert status_of(auth, superuser) == (200, [])
    assert status_of(auth, f"Bearer {superuser}") == (200, [])
    assert status_of(auth, f"bearer  {superuser}") == (200, [])
    assert status_of(auth, pocketbase.user()) == DENIED
    assert status_of(auth, forged()) == NOBODY
    assert status_of(auth, superuser[:-3] + "abc") == NOBODY
    assert status_of(auth) == NOBODY


def test_a_superuser_is_named_by_the_id_of_the_record(pocketbase: Server, auth: PocketBaseAuth) -> None:
    token = pocketbase.sign_in()
    records = pocketbase.ask("GET", "/api/collections/_superusers/records", token).json
    assert auth(sent(token)) == Identity(records["items"][0]["id"])


def test_a_token_is_nobodys_once_it_is_expired(pocketbase: Server, auth: PocketBaseAuth) -> None:
    token = pocketbase.sign_in()
    records = pocketbase.ask("GET", "/api/collections/_superusers/records", token).json
    path = f"/api/collections/_superusers/impersonate/{records['items'][0]['id']}"
    answer = pocketbase.ask("POST", path, token, {"duration": 2}).json
    assert auth(sent(answer["token"]))
    until(lambda: auth(sent(answer["token"])) is None)


@pytest.mark.parametrize("change", [("superuser", "update", EMAIL, "another-password"),
                                    ("superuser", "delete", EMAIL)])  # fmt: skip
def test_what_changes_in_pocketbase_counts(
    change: tuple[str, ...], pocketbase: Server, auth: PocketBaseAuth
) -> None:
    pocketbase.command("superuser", "upsert", "other@example.com", "1234567890")  # the last one cannot be deleted
    token = pocketbase.sign_in()
    assert auth(sent(token))
    pocketbase.command(*change)
    until(lambda: auth(sent(token)) is None)


def test_an_answer_is_remembered(pocketbase: Server, auth: PocketBaseAuth, monkeypatch) -> None:
    now = [100.0]
    monkeypatch.setattr("processman.pocketbase.auth.time.monotonic", lambda: now[0])
    token = pocketbase.sign_in()
    assert auth(sent(token))
    pocketbase.stop()
    assert auth(sent(token))
    assert is_down(auth, forged())
    now[0] += 1.0
    assert is_down(auth, token)


def test_what_is_remembered_has_an_end(pocketbase: Server, auth: PocketBaseAuth, monkeypatch) -> None:
    monkeypatch.setattr("processman.pocketbase.auth.time.monotonic", lambda: 100.0)  # what is asked holds on
    token = pocketbase.sign_in()
    for number in range(300):
        assert auth(sent(token, f"10.0.{number >> 8}.{number & 255}"))
    assert len(auth._answers) <= 256
    assert token not in repr(vars(auth))


# -- PocketBase is not there -----------------------------------------------------
def test_pocketbase_may_go_and_come_again(pocketbase: Server, auth: PocketBaseAuth) -> None:
    token = pocketbase.sign_in()
    assert status_of(auth, token) == (200, [])
    pocketbase.stop()
    until(lambda: status_of(auth, token) == UNAVAILABLE)
    assert status_of(auth) == NOBODY
    pocketbase.start()
    assert status_of(auth, token) == (200, [])


def test_a_connection_that_pocketbase_closed_is_no_failure(pocketbase: Server, auth: PocketBaseAuth) -> None:
    token, user = pocketbase.sign_in(), pocketbase.user()
    assert auth(sent(token))
    pocketbase.stop()
    pocketbase.start()
    assert auth(sent(user)) is False


@pytest.mark.parametrize("token", [
    "", "x", "a.b", "a.b.c", "a.b.c.d", "Basic dXNlcjpwYXNz", "Bearer", "Bearer ", "Bearer a.b.c\r\nX: y",
    forged(exp=1), forged(exp=None), forged(exp="4102444800"), forged(exp=True), forged(type="file"),
    forged(type=None), forged(id=None), f"a.{part([])}.c", f"a.{part('x')}.c", f"a.{'W1tb' * 900}.c",
    f"a.{urlsafe_b64encode(b'[' * 2900).decode().rstrip('=')}.c", forged(more="x" * 5000), forged() + "é",
    "Bearer Bearer " + forged(),
])  # fmt: skip
def test_what_cannot_be_valid_is_not_asked(token: str, nowhere: PocketBaseAuth) -> None:
    assert nowhere(sent(token)) is None


def test_what_could_be_valid_is_asked(nowhere: PocketBaseAuth) -> None:
    with pytest.raises(AuthUnavailable, match="does not answer"):
        nowhere(sent(forged()))


# -- its rules -------------------------------------------------------------------
def test_rate_limits_stop_strangers_and_no_superuser(pocketbase: Server, auth: PocketBaseAuth) -> None:
    token = pocketbase.sign_in()
    rule = {"label": "/api/", "duration": 60, "maxRequests": 5, "audience": ""}
    pocketbase.settings(rateLimits={"enabled": True, "rules": [rule]})
    strangers = (forged(id=f"nobody{number}") for number in range(20))
    until(lambda: is_down(auth, next(strangers)), what="429")
    assert status_of(auth, forged()) == UNAVAILABLE
    assert status_of(auth, "nonsense") == NOBODY
    assert status_of(auth, token) == (200, [])


def test_addresses_of_superusers_hold(pocketbase: Server, auth: PocketBaseAuth, logged) -> None:
    token = pocketbase.sign_in()
    pocketbase.command("superuser", "ips", "10.1.2.3")
    until(lambda: auth(sent(token)) is False)
    assert "its superuser IPs say so" in logged.text
    assert auth(sent(token, "10.1.2.3")) is False


def test_pocketbase_may_trust_the_address_that_it_is_told(pocketbase: Server, auth: PocketBaseAuth) -> None:
    token = pocketbase.sign_in()
    pocketbase.settings(trustedProxy={"headers": ["X-Forwarded-For"]})
    pocketbase.command("superuser", "ips", "10.1.2.3")
    until(lambda: auth(sent(token, "10.9.9.9")) is False)
    assert auth(sent(token, "10.1.2.3"))
    assert auth(sent(token, "10.9.9.9")) is False


# -- any thread, any fork --------------------------------------------------------
def addresses(count: int) -> Iterator[str]:
    """Yield addresses, so that each question is asked indeed."""
    return (f"10.0.{number >> 8}.{number & 255}" for number in range(count))


def test_any_number_of_threads_ask(pocketbase: Server, auth: PocketBaseAuth) -> None:
    token, user = pocketbase.sign_in(), pocketbase.user()
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda at: (auth(sent(token, at)), auth(sent(user, at))), addresses(200)))
    assert all(isinstance(yes, Identity) and no is False for yes, no in answers)


def test_a_forked_copy_talks_on_connections_of_its_own(pocketbase: Server, auth: PocketBaseAuth) -> None:
    token, user = pocketbase.sign_in(), pocketbase.user()
    assert auth(sent(token, "10.9.9.9"))
    pid = os.fork()
    try:
        if pid == 0:
            with suppress(BaseException):
                os._exit(0 if all(auth(sent(user, at)) is False for at in addresses(300)) else 1)
            os._exit(2)
        answers = [auth(sent(token, at)) for at in addresses(300)]
    finally:
        _, status = os.waitpid(pid, 0)
    assert all(isinstance(answer, Identity) for answer in answers)
    assert status == 0


# -- who is not PocketBase -------------------------------------------------------
Serve = Callable[..., str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Run a server that answers everything with one status, one body and one header; return its address."""
    servers: list[ThreadingHTTPServer] = []

    def serve(status: int, body: bytes = b"", **headers: str) -> str:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(("status", "body"), [
    (200, b"<!doctype html>"), (200, b"{}"), (200, b"[]"), (200, b'{"items":[],"page":1' + b" " * 20_000 + b"}"),
    (204, b""), (301, b""), (400, b"{}"), (404, b"{}"), (500, b"{}"),
])  # fmt: skip
def test_what_is_not_pocketbase_lets_nobody_in(status: int, body: bytes, serve: Serve) -> None:
    with closing(PocketBaseAuth(serve(status, body))) as auth, pytest.raises(AuthUnavailable, match=str(status)):
        auth(sent(forged()))


def test_no_redirect_is_followed(pocketbase: Server, serve: Serve) -> None:
    address = serve(307, Location=f"{pocketbase.url}/api/logs")
    with closing(PocketBaseAuth(address)) as auth, pytest.raises(AuthUnavailable, match="307"):
        auth(sent(pocketbase.sign_in()))


def test_who_does_not_answer_is_not_waited_for_long() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        port = silent.getsockname()[1]
        auth = PocketBaseAuth(f"http://127.0.0.1:{port}", timeout=0.05)
        with pytest.raises(AuthUnavailable, match="timed out"):
            auth(sent(forged()))


@pytest.mark.parametrize("more", [b"", b"X: ", b"Content-Length: 9999\r\n\r\n"])
def test_who_answers_byte_by_byte_is_not_waited_for_long(more: bytes) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        ended = threading.Event()

        def drip() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                connection.sendall(more and b"HTTP/1.1 200 OK\r\n" + more)
                while not ended.wait(0.02):
                    connection.sendall(b"H")

        dripping = threading.Thread(target=drip)
        dripping.start()
        try:
            auth = PocketBaseAuth(f"http://127.0.0.1:{server.getsockname()[1]}", timeout=0.2)
            with pytest.raises(AuthUnavailable, match="timed out"):
                auth(sent(forged()))
        finally:
            ended.set()
            dripping.join()


@pytest.mark.parametrize("more", ["?x=1", "/?", "#there", "/base", "/_/"])
def test_an_address_is_that_of_a_server_alone(more: str) -> None:
    with pytest.raises(ValueError, match="without path, query and fragment"):
        PocketBaseAuth(f"http://127.0.0.1:8090{more}")
    PocketBaseAuth("http://127.0.0.1:8090/")


def test_https_is_verified(serve: Serve) -> None:
    auth = PocketBaseAuth(serve(200, b'{"items":[],"page":1}').replace("http:", "https:"))
    with pytest.raises(AuthUnavailable) as raised:
        auth(sent(forged()))
    assert raised.value.__suppress_context__
    assert isinstance(raised.value.__context__, ssl.SSLError)


@pytest.mark.parametrize("url", ["", "127.0.0.1:8090", "ftp://host", "http://", "http://user:pass@host",
                                 "http://a b", "http://host:99999"])  # fmt: skip
def test_an_odd_address_is_an_error_that_does_not_show_it(url: str) -> None:
    with pytest.raises(ValueError, match="it is not like") as raised:
        PocketBaseAuth(url)
    assert "pass" not in str(raised.value)
