"""Which requests count as the user's own, and which may have been made by a page of another site."""
from __future__ import annotations

from typing import Any

import pytest
from werkzeug.test import Client, create_environ
from wsgi.api import FakeManager, refusal

from processman.contrib import csrf
from processman.wsgi import create_app
from processman.wsgi.answer import Refused

UNPROVED = refusal(403, "Send the header X-Processman: 1, which shows that no other site made this request.")
FOREIGN = refusal(403, "Requests from other sites are not allowed.")
OWN = {"X-Processman": "1"}
TOKEN = {"Authorization": "Bearer a-token"}


@pytest.fixture
def fake() -> FakeManager:
    made = FakeManager()
    made.add("web")
    return made


def ask(fake: FakeManager, method: str, path: str, headers: dict[str, str]) -> Any:
    asked: list[object] = []
    app = csrf.protect(create_app(fake, auth=lambda environ: asked.append(environ) or True))
    answer = Client(app).open(path, method=method, headers=headers)
    assert answer.status_code != 403 or not asked, "nobody is asked about what is refused anyway"
    return answer


@pytest.mark.parametrize("headers", [
    OWN,
    TOKEN,
    {"Authorization": "Token a-token"},
    {"Authorization": "eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl"},
    OWN | {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"},
    OWN | {"Authorization": "Basic dTpw"},
])
def test_a_proved_post_gets_through(fake: FakeManager, headers: dict[str, str]) -> None:
    """A-csrf"""
    assert ask(fake, "POST", "/web/stop", headers).status_code == 200
    assert fake.calls == [("stop", "web", True)]


@pytest.mark.parametrize(("headers", "why"), [
    ({}, UNPROVED),
    ({"Cookie": "session=mine"}, UNPROVED),
    ({"X-Processman": ""}, UNPROVED),
    ({"X-Processman": "0"}, UNPROVED),
    ({"X-Processman": "true"}, UNPROVED),
    ({"X-Requested-With": "XMLHttpRequest"}, UNPROVED),
    ({"Content-Type": "application/json"}, UNPROVED),
    ({"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"}, UNPROVED),
    ({"Authorization": ""}, UNPROVED),
    ({"Authorization": "Basic dTpw"}, UNPROVED),
    ({"Authorization": "NEGOTIATE YII="}, UNPROVED),
    ({"Authorization": "Mutual a-way-of-browsers-to-come"}, UNPROVED),
    ({"Authorization": "Bearer"}, UNPROVED),
    ({"Authorization": "Bearer "}, UNPROVED),
    ({"Sec-Fetch-Site": "cross-site"}, FOREIGN),
    (OWN | {"Sec-Fetch-Site": "cross-site"}, FOREIGN),
    (OWN | {"Sec-Fetch-Site": "same-site"}, FOREIGN),
    (OWN | {"Origin": "http://evil.example"}, FOREIGN),
    (OWN | {"Origin": "null"}, FOREIGN),
    (TOKEN | {"Origin": "http://evil.example"}, FOREIGN),
])
@pytest.mark.parametrize("path", ["/web/stop", "/nobody/stop", "/"])
def test_any_other_post_is_refused_whatever_it_asks_for(
    fake: FakeManager, path: str, headers: dict[str, str], why: object
) -> None:
    """A-csrf"""
    answer = ask(fake, "POST", path, headers)
    assert (answer.status_code, answer.json) == (403, why)
    assert fake.calls == []


@pytest.mark.parametrize(("method", "status"), [
    ("GET", 200), ("HEAD", 200), ("OPTIONS", 405), ("PUT", 403), ("PATCH", 403), ("DELETE", 403), ("BREW", 403),
])
def test_only_methods_that_change_nothing_need_no_proof(fake: FakeManager, method: str, status: int) -> None:
    assert ask(fake, method, "/web", {}).status_code == status


def test_a_token_of_the_framework_proves_it_unless_another_site_sends_it() -> None:
    environ = create_environ("/web/stop", method="POST")
    csrf.check(environ, verified=True)
    with pytest.raises(Refused):
        csrf.check({**environ, "HTTP_SEC_FETCH_SITE": "cross-site"}, verified=True)
