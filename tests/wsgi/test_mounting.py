"""Where the application may be mounted and by what it may be served."""
from __future__ import annotations

from typing import Any

import pytest
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.wrappers import Response
from wsgi.api import TOKEN, FakeManager, Serve, refusal

from processman.wsgi import bearer, create_app

PREFIXES = ("", "/api/pm", "/outer/api/pm")


def mounted(app: Any, prefix: str) -> Any:
    """Mount *app* at *prefix*, step by step as nested hosts do."""
    host = Response("the host itself", 418)
    if prefix == "/outer/api/pm":
        return DispatcherMiddleware(host, {"/outer": DispatcherMiddleware(host, {"/api/pm": app})})
    return DispatcherMiddleware(host, {prefix: app}) if prefix else app


@pytest.mark.parametrize("prefix", PREFIXES)
def test_works_wherever_it_is_mounted(fake: FakeManager, serve: Serve, prefix: str) -> None:
    fake.add("two", "stopped")
    with serve(mounted(create_app(fake, auth=bearer(TOKEN)), prefix)) as ask:
        assert [process["id"] for process in ask("GET", f"{prefix}/list").json] == ["web", "two"]
        assert ask("GET", f"{prefix}/web").json["status"] == "running"
        assert ask("GET", f"{prefix}/web/logs?lines=5").json == []
        for action in ("start", "restart", "stop"):
            assert ask("POST", f"{prefix}/two/{action}").json["id"] == "two"
        assert [action for action, _, _ in fake.calls] == ["start", "restart", "stop"]
        assert ask("POST", f"{prefix}/web/start").json == refusal(400, "Process is already running.")
        assert ask("GET", f"{prefix}/nobody").json == refusal(404, "Process not found.")
        assert ask("GET", prefix or "/").status == (302 if prefix else 200)
        assert ask("GET", f"{prefix}/", token="").headers["Content-Type"] == "text/html; charset=utf-8"
        assert ask("DELETE", f"{prefix}/list").headers["Allow"] == "GET, HEAD"
        assert ask("GET", f"{prefix}/list", token="").headers["WWW-Authenticate"] == "Bearer"


def test_head_over_a_connection(fake: FakeManager, serve: Serve) -> None:
    with serve(fake) as ask:
        head, get = ask("HEAD", "/list"), ask("GET", "/list")
        assert (head.status, head.body) == (200, b"")
        assert head.headers["Content-Length"] == get.headers["Content-Length"] == str(len(get.body))


@pytest.mark.parametrize("host", ["evil.example", "localhost@evil.example", "localhost,evil.example"])
def test_a_foreign_host_over_a_connection(fake: FakeManager, serve: Serve, host: str) -> None:
    """A-host"""
    with serve(fake, hosts=["127.0.0.1"]) as ask:
        assert ask("GET", "/list").status == 200
        assert ask("GET", "/list", None, ("Host", host)).status in (400, 421)


@pytest.mark.parametrize("path", ["/%00", "/%0A", "/%ff", "/..", "/%2e%2e", "/web%00", "/" + "a" * 20_000])
def test_odd_ids_over_a_connection(fake: FakeManager, serve: Serve, path: str) -> None:
    """A-odd-ids"""
    with serve(fake) as ask:
        assert ask("GET", path).json == refusal(404, "Process not found.")
        assert ask("POST", f"{path}/stop").json == refusal(404, "Process not found.")
        assert fake.calls == []


def test_nothing_of_a_fault_reaches_the_client(fake: FakeManager, serve: Serve) -> None:
    """A-exceptions"""
    fake.failure = RuntimeError("hunter2")
    with serve(fake) as ask:
        answer = ask("GET", "/list")
        assert answer.json["status"] == answer.status == 500
        assert b"hunter2" not in answer.body
        assert b"Traceback" not in answer.body
