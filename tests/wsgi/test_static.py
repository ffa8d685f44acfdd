"""The page and its files: who gets them, with what headers, and what is none of them."""
from __future__ import annotations

from typing import Any

import pytest
from support import ROOT
from werkzeug.test import Client, TestResponse
from wsgi.api import TOKEN, FakeManager, refusal

from processman.wsgi import bearer, create_app

FILES = sorted(path.name for path in (ROOT / "processman" / "dashboard").iterdir())


TOKENS = bearer(TOKEN)


def get(fake: FakeManager, path: str, method: str = "GET", *, auth: Any = TOKENS, **more: Any) -> TestResponse:
    hosts = more.pop("hosts", None)
    return Client(create_app(fake, auth=auth, hosts=hosts)).open(path, method=method, **more)


@pytest.mark.parametrize("path", ["/", *(f"/static/{name}" for name in FILES)])
def test_the_page_is_for_everybody_where_there_is_an_auth(fake: FakeManager, path: str) -> None:
    answer = get(fake, path)
    name = path.removeprefix("/static/") if path != "/" else "index.html"
    assert answer.data == (ROOT / "processman" / "dashboard" / name).read_bytes()
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "charset=utf-8" in answer.headers["Content-Type"] or name.endswith(".svg")
    assert get(fake, path, auth=None).status_code == 403


def test_an_auth_that_fails_is_not_even_asked(fake: FakeManager) -> None:
    assert get(fake, "/", auth=lambda _: 1 / 0).status_code == 200


def test_a_file_that_is_the_same_is_not_sent_again(fake: FakeManager) -> None:
    first = get(fake, "/static/app.js")
    assert first.headers["Cache-Control"] == "no-cache"
    again = get(fake, "/static/app.js", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert get(fake, "/static/app.js", "HEAD").data == b""


def test_the_page_without_its_slash_is_sent_there(fake: FakeManager) -> None:
    answer = get(fake, "", environ_overrides={"SCRIPT_NAME": "/ops/caf\xc3\xa9", "PATH_INFO": ""})
    assert (answer.status_code, answer.headers["Location"]) == (302, "./caf%C3%A9/")


@pytest.mark.parametrize("path", [
    "/static/", "/static", "/static/../app.py", "/static/..%2fpy.typed", "/static/nothing.js", "/static//app.js",
    "/static/%2e%2e/__init__.py", "/app.js", "//", "/index.html", "/static/app.js/", "/static/app.js%00",
])
def test_nothing_else_is_shown_before_authentication(fake: FakeManager, path: str) -> None:
    answer = get(fake, "/", environ_overrides={"PATH_INFO": path.replace("%2e", ".").replace("%2f", "/")})
    assert answer.status_code == 401


@pytest.mark.parametrize("path", ["/", "/static/app.js"])
def test_the_page_can_only_be_looked_at(fake: FakeManager, path: str) -> None:
    for method in ("POST", "PUT", "DELETE"):
        assert get(fake, path, method).status_code == 401
    assert get(fake, path, "POST", headers={"Authorization": f"Bearer {TOKEN}"}).json["status"] in (404, 405)


def test_another_host_gets_no_page(fake: FakeManager) -> None:
    answer = get(fake, "/", hosts=["app.example"], headers={"Host": "evil.example"})
    assert answer.json == refusal(421, "This host is not served here.")
