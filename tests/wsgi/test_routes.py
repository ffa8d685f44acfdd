"""Each route and what it answers; errors and their words."""
from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from werkzeug.test import create_environ, run_wsgi_app
from wsgi.api import ROUTES, FakeManager, line, refusal

from processman.errors import (
    AlreadyRunning,
    ConfigError,
    NotOwner,
    NotStarted,
    Overruled,
    ProcessNotFound,
    StartFailed,
    StopFailed,
    WaitTimeout,
)
from processman.states import State
from processman.wsgi import create_app

NO_PROCESS = refusal(404, "Process not found.")
NO_ROUTE = refusal(404, "There is nothing here.")
LINES = refusal(400, "lines must be a number from 1 to 1000, given once.")


@pytest.mark.parametrize(("action", "message", "wait"), [
    ("start", "Process start initiated", False),
    ("restart", "Process restart initiated", False),
    ("stop", "Process stopped", True),
])
def test_an_action_answers_with_what_was_begun(
    ask: Any, fake: FakeManager, action: str, message: str, wait: bool
) -> None:
    fake.add("ai-agent", State.STOPPED)
    response = ask(f"/ai-agent/{action}", "POST")
    assert response.text == f'{{"message":"{message}","id":"ai-agent"}}'
    assert fake.calls == [(action, "ai-agent", wait)]


def test_the_list_keeps_the_order_of_registration(ask: Any, fake: FakeManager) -> None:
    for id in ("zebra", "ant", "mule"):
        fake.add(id)
    assert [process["id"] for process in ask("/list").json] == ["web", "zebra", "ant", "mule"]
    fake.statuses.clear()
    assert ask("/list").text == "[]"


def test_one_process_is_shown_as_in_the_list(ask: Any) -> None:
    assert [ask("/web").json] == ask("/list").json


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_every_answer_is_json_that_nobody_keeps_or_guesses(ask: Any, method: str, path: str) -> None:
    for response in (ask(path, method), ask("/nobody" + path, method), ask(path, "PUT")):
        assert response.headers["Content-Type"] == "application/json"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Cache-Control"] == "no-store"
        assert int(response.headers["Content-Length"]) == len(response.data)
        json.loads(response.text)


@pytest.mark.parametrize("path", ["/list", "/web", "/web/logs", "/nobody"])
def test_head_is_get_without_the_body(ask: Any, path: str) -> None:
    get, head = ask(path), ask(path, "HEAD")
    assert (head.status_code, head.data, head.headers) == (get.status_code, b"", get.headers)


@pytest.mark.parametrize(("path", "allow"), [
    ("/list", "GET, HEAD"), ("/web", "GET, HEAD"), ("/nobody", "GET, HEAD"), ("/web/logs", "GET, HEAD"),
    ("/web/start", "POST"), ("/web/stop", "POST"), ("/web/restart", "POST"), ("/nobody/stop", "POST"),
])
def test_another_method_is_told_what_there_is(ask: Any, fake: FakeManager, path: str, allow: str) -> None:
    methods = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - set(allow.split(", "))
    for method in methods:
        response = ask(path, method)
        assert (response.status_code, response.headers["Allow"]) == (405, allow)
    assert ask(path, "DELETE").json == refusal(405, "The method is not allowed here.")
    assert fake.calls == []


@pytest.mark.parametrize("path", [
    "/-/", "/list/", "/web/", "/web/logs/", "/web//logs", "/web/kill", "/web/logs/1", "/web/signal/9",
    "/web/__class__", "/web/start/start", "/api/pm/list", "/" + "a/" * 10_000,
])
def test_what_is_no_route_is_404(ask: Any, fake: FakeManager, path: str) -> None:
    for method in ("GET", "POST"):
        assert ask(path, method).json == NO_ROUTE
    assert fake.calls == []


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_slashes_in_front_are_not_taken_away(ask: Any, fake: FakeManager, method: str, path: str) -> None:
    # werkzeug's client would take the first name for a host
    assert ask("/", method, environ_overrides={"PATH_INFO": f"/{path}"}).json == NO_ROUTE
    assert fake.calls == []


@pytest.mark.parametrize("id", [
    "nobody", "%00", "web%00", "web%0A", "%0Aweb", "%ff", "%C0%AF", "%ED%A0%80", "..", "%2e%2e", ".", "WEB",
    "web%20", "%E2%84%AA", "web;x=1", "web,web", "*", "__class__", "logs", "%3Cscript%3Ealert(1)",
    "{0}", "%25s", "💥", "a" * 20_000,
])
@pytest.mark.parametrize(("method", "rest"), [
    ("GET", ""), ("GET", "/logs"), ("POST", "/start"), ("POST", "/stop"), ("POST", "/restart"),
])
def test_an_odd_id_is_one_that_is_not_there(
    ask: Any, fake: FakeManager, method: str, rest: str, id: str
) -> None:
    """A-odd-ids"""
    response = ask(f"/{id}{rest}", method)
    assert (response.status_code, response.json) == (404, NO_PROCESS)
    assert fake.calls == []


def test_a_slash_in_an_id_is_another_path(ask: Any) -> None:
    """A-odd-ids"""
    for path in ("/web%2Flogs%2Fx", "/%2F", "/..%2F..%2Fetc%2Fpasswd", "/web/..%2Flist"):
        assert ask(path).json == NO_ROUTE


@pytest.mark.parametrize(("query", "lines"), [
    ("", 100), ("?lines=1", 1), ("?lines=007", 7), ("?lines=999", 999), ("?lines=1000", 1000),
    ("?lines=1001", 1000), ("?lines=1000000000", 1000), ("?lines=1" + "0" * 30, 1000),
    ("?lines=" + "9" * 100_000, 1000), ("?lines=%31", 1), ("?Lines=x&other=%ff", 100),
])
def test_as_many_lines_as_asked_for_up_to_a_thousand(
    ask: Any, fake: FakeManager, query: str, lines: int
) -> None:
    """A-lines"""
    fake.lines = [line(seq) for seq in range(1, 1501)]
    answer = ask(f"/web/logs{query}").json
    assert [item["seq"] for item in answer] == list(range(1501 - lines, 1501))


@pytest.mark.parametrize("query", [
    "lines=", "lines", "lines=0", "lines=000", "lines=-1", "lines=+1", "lines=1.0", "lines=1e3", "lines=0x10",
    "lines=%D9%A3", "lines=%C2%B2", "lines=%ff", "lines=1_0", "lines=1%20", "lines=%0a1", "lines=all",
    "lines=1&lines=2", "lines=5&lines=5", "lines=" + "0" * 100_000,
])
def test_any_other_number_of_lines_is_an_error(ask: Any, query: str) -> None:
    """A-lines"""
    response = ask(f"/web/logs?{query}")
    assert (response.status_code, response.json) == (400, LINES)


ERRORS = (
    (lambda status: ProcessNotFound("web"), NO_PROCESS),
    (lambda status: AlreadyRunning("web"), refusal(400, "Process is already running.")),
    (lambda status: Overruled("web", status),
     refusal(409, "Something else was asked of the process meanwhile.")),
    (lambda status: StopFailed("web", ("12 python", "13 sh")),
     refusal(409, "Process could not be stopped.", {"survivors": ["12 python", "13 sh"]})),
    (lambda status: NotStarted("not started"), refusal(503, "The process manager is not started.")),
    (lambda status: NotOwner("a copy"), refusal(503, "The process manager runs in another process.")),
)


@pytest.mark.parametrize(("make", "answer"), ERRORS)
def test_what_the_manager_refuses_has_a_status_and_words(
    ask: Any, fake: FakeManager, make: Any, answer: dict[str, object]
) -> None:
    fake.failure = make(fake.statuses["web"])
    response = ask("/web/stop", "POST")
    assert (response.status_code, response.json) == (answer["status"], answer)


@pytest.mark.parametrize("failure", [
    RuntimeError("/secret/path hunter2"), MemoryError(), KeyError("hunter2"), ConfigError("hunter2"),
    UnicodeDecodeError("utf-8", b"hunter2", 0, 1, "hunter2"), OSError(5, "hunter2"),
])
@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_fault_of_ours_is_told_by_its_number_alone(
    ask: Any, fake: FakeManager, failure: Exception, method: str, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A-exceptions"""
    fake.failure = failure
    response = ask(path, method)
    assert response.status_code == response.json["status"] == 500
    assert "hunter2" not in response.text
    assert "Traceback" not in response.text
    fault = response.json["message"].removesuffix(".").rpartition(" ")[2]
    record = caplog.records[-1]
    assert fault in record.getMessage()
    assert (record.levelno, record.exc_info and record.exc_info[1]) == (logging.ERROR, failure)


@pytest.mark.parametrize("kind", [StartFailed, WaitTimeout])
def test_an_error_that_no_route_can_raise_is_a_fault(ask: Any, fake: FakeManager, kind: Any) -> None:
    """A-exceptions"""
    fake.failure = kind("web", fake.statuses["web"])
    assert ask("/web/start", "POST").status_code == 500


def test_two_faults_have_two_numbers(ask: Any, fake: FakeManager) -> None:
    """A-exceptions"""
    fake.failure = RuntimeError()
    assert ask("/list").json["message"] != ask("/list").json["message"]


@pytest.mark.parametrize("environ", [
    {"PATH_INFO": "/\u20ac"}, {"PATH_INFO": "\ud800"}, {"QUERY_STRING": "lines=\u20ac"},
    {"REQUEST_METHOD": "\u20ac"}, {"REQUEST_METHOD": ""}, {"CONTENT_TYPE": "\x00"},
    {"HTTP_COOKIE": "=;" * 10_000},
    {"SERVER_NAME": "", "HTTP_HOST": "@"},
])
def test_an_environ_that_no_server_should_send_gets_an_answer(
    fake: FakeManager, environ: dict[str, str]
) -> None:
    """A-exceptions"""
    app = create_app(fake, auth=lambda environ: True)
    chunks, status, _ = run_wsgi_app(app, create_environ("/web/logs") | environ)
    assert status[:3] in ("200", "403", "404", "405", "500")
    json.loads(b"".join(chunks))


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("action", ["start", "stop", "restart"])
def test_every_action_in_every_state(ask: Any, fake: FakeManager, state: State, action: str) -> None:
    """A-states"""
    fake.add("web", state)
    refused = action == "start" and state in ("starting", "running")
    assert ask(f"/web/{action}", "POST").status_code == (400 if refused else 200)
