"""The long poll of a log: cursors and epochs, who waits and for how long, and what ends it."""
from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from support import child, until, wait_for_line
from werkzeug.test import Client
from wsgi.api import FakeManager, line, refusal

from processman import Manager
from processman.wsgi import create_app
from processman.wsgi.patience import WAITERS


@pytest.fixture
def ask(manager: Manager) -> Callable[..., Any]:
    """Ask for news of *manager* on a server with threads."""
    app = create_app(manager, auth=lambda _: True)
    return lambda path: Client(app).get(path, multithread=True).json


def one_thread(manager: Manager, path: str) -> Any:
    return Client(create_app(manager, auth=lambda _: True)).get(path).json


def test_an_answer_has_the_lines_after_the_cursor(fake: FakeManager) -> None:
    fake.lines = [line(seq, f"line {seq}") for seq in (1, 2, 3)]
    assert one_thread(fake, "/web/logs?after=1") == {
        "items": [
            {"timestamp": "2026-01-30T10:00:00Z", "processId": "web", "stream": "stdout", "content": f"line {seq}",
             "seq": seq, "run": 1} for seq in (2, 3)
        ],
        "next": 3, "missed": 0, "epoch": "an-epoch",
    }


def test_what_does_not_fit_in_one_answer_comes_in_the_next(fake: FakeManager) -> None:
    fake.lines = [line(seq, "\x01" * 100_000) for seq in range(1, 11)]
    seen, after = [], 0
    while items := (answer := one_thread(fake, f"/web/logs?after={after}"))["items"]:
        seen += [item["seq"] for item in items]
        after = answer["next"]
        assert len(items) < 10
    assert seen == list(range(1, 11))


@pytest.mark.parametrize(("query", "message"), [
    ("after=x", "after must be a number, given once."),
    ("after=", "after must be a number, given once."),
    ("after=-1", "after must be a number, given once."),
    ("after=1&after=2", "after must be a number, given once."),
    ("after=0&wait=x", "wait must be a number from 0 to 20, given once."),
    ("after=0&wait=1.5", "wait must be a number from 0 to 20, given once."),
    ("wait=x", "wait must be a number from 0 to 20, given once."),
    ("after=0&lines=x", "lines must be a number from 1 to 1000, given once."),
    ("after=0&wait=1&wait=1", "wait must be a number from 0 to 20, given once."),
])
def test_what_is_no_number_is_refused(ask: Any, fake: FakeManager, query: str, message: str) -> None:
    assert one_thread(fake, f"/web/logs?{query}") == refusal(400, message)


def test_unknown_processes_have_no_news(ask: Any) -> None:
    assert ask("/nobody/logs?after=0&wait=20") == refusal(404, "Process not found.")


def test_nobody_waits_where_the_server_has_one_thread(fake: FakeManager) -> None:
    assert one_thread(fake, "/web/logs?after=0&wait=20")["items"] == []
    assert fake.waits == [0]


@pytest.mark.parametrize(("wait", "seconds"), [("1", 1), ("003", 3), ("20", 20), ("9" * 20, 20), ("0", 0)])
def test_a_wait_is_over_when_its_seconds_are(fake: FakeManager, wait: str, seconds: int) -> None:
    app = create_app(fake, auth=lambda _: True)  # which says at once that it has waited
    assert Client(app).get(f"/web/logs?after=0&wait={wait}", multithread=True).json["items"] == []
    assert sum(fake.waits) == seconds


def test_a_line_ends_the_wait(manager: Manager, ask: Any) -> None:
    manager.register(child("web", "waits.py"))
    manager.start()
    wait_for_line(manager, "web", "ready")
    first = ask("/web/logs?after=0&wait=20")
    assert [item["content"] for item in first["items"]] == ["ready"]
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask, f"/web/logs?after={first['next']}&epoch={first['epoch']}&wait=20")
        manager.restart_process("web")
        second = asked.result(10)
    assert [(item["content"], item["run"]) for item in second["items"]] == [("ready", 2)]
    assert second["epoch"] == first["epoch"]


def test_a_cursor_of_another_life_starts_from_the_oldest_line(manager: Manager, ask: Any) -> None:
    manager.register(child("web", "waits.py"))
    manager.start()
    wait_for_line(manager, "web", "ready")
    first = ask("/web/logs?after=0")
    manager.stop()
    manager.start()
    wait_for_line(manager, "web", "ready")
    of_the_first = f"after={first['next']}&epoch={first['epoch']}"
    for cursor in (of_the_first, "after=77", "after=77&epoch=", "after=0&epoch=x"):
        second = ask(f"/web/logs?{cursor}&wait=20")
        assert [item["seq"] for item in second["items"]] == [1]
        assert second["epoch"] != first["epoch"]


def test_what_was_never_started_has_no_news_yet(manager: Manager, ask: Any) -> None:
    manager.register(child("web", "waits.py"))
    assert ask("/web/logs?after=5&wait=20") == {"items": [], "next": 0, "missed": 0, "epoch": ""}


@pytest.mark.parametrize("end", [Manager.stop, lambda manager: manager.remove("web")], ids=["stop", "remove"])
def test_the_end_of_the_log_ends_the_wait(manager: Manager, ask: Any, end: Callable[[Manager], None]) -> None:
    manager.register(child("web", "waits.py"))
    manager.start()
    wait_for_line(manager, "web", "ready")
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask, "/web/logs?after=1&wait=20")
        until(lambda: _waiting() == 1)
        end(manager)
        assert asked.result(10).get("items", []) == []


def test_few_wait_at_a_time_and_the_others_are_answered(manager: Manager) -> None:
    manager.register(child("web", "waits.py"))
    manager.start()
    wait_for_line(manager, "web", "ready")
    app = create_app(manager, auth=lambda _: True)

    def ask(most: dict[str, int]) -> Any:
        return Client(app).get("/web/logs?after=1&wait=20", multithread=True, environ_overrides=most).json

    with ThreadPoolExecutor(4) as pool:
        held = [pool.submit(ask, {}) for _ in range(2)]
        until(lambda: _waiting() == 2)
        assert ask({})["items"] == []
        held.append(pool.submit(ask, {WAITERS: 3}))
        until(lambda: _waiting() == 3)
        manager.restart_process("web")
        assert all(len(each.result(10)["items"]) == 1 for each in held)
    assert app._patience._waiting == 0


def _waiting() -> int:
    """Return how many threads wait in a journal."""
    frames = sys._current_frames()
    known = {thread.ident for thread in threading.enumerate()}
    return sum(_waits(frame) for ident, frame in frames.items() if ident in known)


def _waits(frame: Any) -> bool:
    while frame is not None:
        if frame.f_code.co_name == "read" and frame.f_code.co_filename.endswith("journal.py"):
            return True
        frame = frame.f_back
    return False
