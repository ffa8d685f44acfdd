"""Who may come in: what a hook may answer, and the one made of tokens."""
from __future__ import annotations

from typing import Any

import pytest
from werkzeug.exceptions import Unauthorized
from werkzeug.test import Client, TestResponse
from wsgi.api import ROUTES, TOKEN, FakeManager, Serve, refusal

from processman.wsgi import AuthUnavailable, Identity, bearer, create_app

DENIED = refusal(403, "You are not allowed to perform this request.")
NOBODY = refusal(401, "Authentication is required.")
#: what is wrong with each of these must not be told to somebody who may not come in
STRANGE = (
    ("GET", "/nobody", {}),
    ("GET", "/-/", {}),
    ("GET", "/web/logs?lines=x", {}),
    ("DELETE", "/list", {}),
    ("POST", "/web/start", {"content_length": 10**9}),
    ("POST", "/web/start", {"headers": {"Origin": "http://evil.example"}}),
    ("GET", "/" + "a" * 20_000, {}),
)


def open_(
    manager: FakeManager, auth: Any, path: str = "/web", method: str = "GET", **more: Any
) -> TestResponse:
    return Client(create_app(manager, auth=auth)).open(path, method=method, **more)


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_without_auth_every_route_is_denied(fake: FakeManager, method: str, path: str) -> None:
    """A-default-deny"""
    response = open_(fake, None, path, method, headers={"Authorization": f"Bearer {TOKEN}"})
    assert (response.status_code, response.json) == (403, DENIED)
    assert fake.calls == []


def test_serving_without_auth_is_warned_about(fake: FakeManager, caplog: pytest.LogCaptureFixture) -> None:
    """A-default-deny"""
    create_app(fake)
    assert "without auth" in caplog.text


@pytest.mark.parametrize(("method", "path", "more"), STRANGE)
@pytest.mark.parametrize(("auth", "answer"), [(None, DENIED), (bearer(TOKEN), NOBODY)])
def test_nothing_is_looked_at_before_auth(
    fake: FakeManager, auth: Any, answer: object, method: str, path: str, more: dict[str, Any]
) -> None:
    """A-default-deny"""
    assert open_(fake, auth, path, method, **more).json == answer


@pytest.mark.parametrize(("answer", "status"), [
    (True, 200),
    (Identity("ann"), 200),
    (Identity("rea", "read"), 200),
    (None, 401),
    (False, 403),
    (1, 403),
    (0, 403),
    ("admin", 403),
    ({"role": "control"}, 403),
    (object(), 403),
])
def test_only_true_and_identities_come_in(fake: FakeManager, answer: object, status: int) -> None:
    response = open_(fake, lambda environ: answer)
    assert response.status_code == status
    assert response.headers.get("WWW-Authenticate") == ("Bearer" if status == 401 else None)


@pytest.mark.parametrize("raised", [ValueError("hunter2"), KeyError("x"), Unauthorized()])
def test_a_hook_that_raises_lets_nobody_in(
    fake: FakeManager, raised: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    def auth(environ: Any) -> bool:
        raise raised

    response = open_(fake, auth)
    assert (response.status_code, response.json) == (403, DENIED)
    assert "auth failed" in caplog.text


def test_a_hook_that_cannot_tell_is_503(fake: FakeManager) -> None:
    def auth(environ: Any) -> bool:
        raise AuthUnavailable("the database is away")

    response = open_(fake, auth)
    assert response.json == refusal(503, "Authentication is not available now.")
    assert int(response.headers["Retry-After"]) > 0


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_reader_may_only_look(fake: FakeManager, method: str, path: str) -> None:
    fake.add("web", "stopped")
    response = open_(fake, lambda environ: Identity("rea", "read"), path, method)
    assert response.status_code == (200 if method == "GET" else 403)
    assert fake.calls == []


def test_an_identity_has_one_of_two_roles() -> None:
    with pytest.raises(ValueError, match="role"):
        Identity("ann", "admin")  # type: ignore[arg-type]


def test_actions_are_logged_with_who_asked(fake: FakeManager, caplog: pytest.LogCaptureFixture) -> None:
    open_(fake, lambda environ: Identity("ann\nb"), "/web/stop", "POST")
    assert r"Process stopped: 'web', asked for by 'ann\nb'" in caplog.messages


def test_whoever_sends_a_token_is_logged_as_one(fake: FakeManager, caplog: pytest.LogCaptureFixture) -> None:
    open_(fake, bearer(TOKEN), "/web/stop", "POST", headers={"Authorization": f"Bearer {TOKEN}"})
    assert "Process stopped: 'web', asked for by 'token'" in caplog.messages
    assert TOKEN not in caplog.text


@pytest.mark.parametrize("header", [
    None,
    "",
    "Bearer",
    "Bearer ",
    "Bearer wrong-token-of-some-length",
    f"Bearer {TOKEN[:-1]}",
    f"Bearer {TOKEN}x",
    f"Bearer {TOKEN} {TOKEN}",
    f"Bearer {TOKEN},Bearer {TOKEN}",
    f"Bearer {TOKEN.upper()}",
    TOKEN,
    f"Token {TOKEN}",
    f"Basic {TOKEN}",
    f"Basic Bearer {TOKEN}",
    "Bearer tökèn-of-enough-bytes",
    "Bearer \xff\xfe\x00\x01",
    "Bearer " + "a" * 1_000_000,
    "B" * 1_000_000,
])
def test_whatever_is_no_token_is_401(fake: FakeManager, header: str | None) -> None:
    """A-auth-zoo"""
    environ = {} if header is None else {"HTTP_AUTHORIZATION": header}
    response = open_(fake, bearer(TOKEN), "/web/stop", "POST", environ_overrides=environ)
    assert (response.status_code, response.json) == (401, NOBODY)
    assert fake.calls == []


def test_no_byte_of_a_header_is_an_error() -> None:
    """A-auth-zoo"""
    authenticate = bearer(TOKEN)
    for code in (*range(256), 0x20AC, 0xD800, 0x10FFFF):  # the last three a server must not, but may
        for header in (f"Bearer {chr(code)}{TOKEN}", chr(code) * 40):
            if code != 0x20:
                assert authenticate({"HTTP_AUTHORIZATION": header}) is None


@pytest.mark.parametrize("headers", [
    [("Authorization", f"Bearer {TOKEN}"), ("Authorization", f"Bearer {TOKEN}")],
    [("Authorization", "Basic abcd"), ("Authorization", f"Bearer {TOKEN}")],
    [("Authorization", "Bearer")],
    [("Authorization", "Bearer t\xf6k\xe8n")],
    [],
])
def test_odd_headers_are_401_over_a_connection(
    fake: FakeManager, serve: Serve, headers: list[tuple[str, str]]
) -> None:
    """A-auth-zoo"""
    with serve(fake) as ask:
        assert ask("POST", "/web/stop", None, *headers, token="").json == NOBODY
        assert fake.calls == []
        assert ask("GET", "/list").status == 200


@pytest.mark.parametrize("token", [TOKEN, "zweites-tökén-für-alle", "third" * 50])
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_each_token_comes_in(fake: FakeManager, scheme: str, token: str) -> None:
    auth = bearer(TOKEN, "zweites-tökén-für-alle", "third" * 50)
    header = f"{scheme} {token}".encode().decode("latin-1")
    assert open_(fake, auth, environ_overrides={"HTTP_AUTHORIZATION": header}).status_code == 200


@pytest.mark.parametrize("tokens", [
    (), ("",), ("tiny",), (TOKEN, "fifteen--bytes-"), (TOKEN + "\n",), (" " + TOKEN,),
    ("with a space in it",),
])
def test_a_token_that_is_weak_or_cannot_be_sent_is_refused(tokens: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="cannot make a bearer hook: ") as caught:
        bearer(*tokens)
    assert not any(token and token in str(caught.value) for token in tokens)


def test_a_hook_does_not_show_its_tokens() -> None:
    assert TOKEN not in repr(bearer(TOKEN)) + str(vars(bearer(TOKEN)))
