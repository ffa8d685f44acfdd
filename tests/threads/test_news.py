"""Following the output of a process, and subscribing to events."""
from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from support import until
from threads.fakes import call, run, words

from processman import Event, Gap, LogLine, Manager
from processman.testing import FakeEngine


# -- following ---
def contents(lines: object) -> list[object]:
    return [line.content if isinstance(line, LogLine) else line for line in lines]  # type: ignore[attr-defined]


def test_following_begins_now_or_after_a_number(manager: Manager, engine: FakeEngine) -> None:
    run(manager, "p")
    for text in ("1", "2", "3"):
        engine.child(1).say(text)
    assert contents(manager.follow("p", after=1, timeout=0.01)) == ["2", "3"]
    assert contents(manager.follow("p", timeout=0.01)) == []
    following = manager.follow("p", timeout=10)
    engine.child(1).say("4")
    assert next(following).content == "4"  # type: ignore[union-attr]


def test_a_follower_is_told_what_it_missed(manager: Manager, engine: FakeEngine) -> None:
    run(manager, "p")
    for number in range(1, 1501):
        engine.child(1).say(str(number))
    first, second, *_ = manager.follow("p", after=0, timeout=0.01)
    assert first == Gap(500)
    assert isinstance(second, LogLine)
    assert second.seq == 501


def test_followers_go_on_over_runs_and_end_with_the_process(manager: Manager, engine: FakeEngine) -> None:
    run(manager, "p")
    got: list[str] = []
    done = call(lambda: got.extend(contents(manager.follow("p", after=0))))  # type: ignore[arg-type]
    engine.child(1).say("first run")
    manager.restart_process("p")
    engine.child(2).say("second run")
    manager.remove("p")
    until(lambda: done)
    assert (done, got) == ([None], ["first run", "second run"])


# -- subscribing ---
def test_subscribers_hear_of_everything_in_order(manager: Manager, engine: FakeEngine) -> None:
    events: list[Event] = []
    manager.subscribe(events.append)
    run(manager, "p", max_retries=1, backoff=0.01)
    engine.child(1).exit(1)
    engine.child(2).exit(1)
    manager.wait_for("p", "failed", timeout=10)
    manager.restart_process("p")
    manager.remove("p")
    until(lambda: events[-1].kind == "removed")
    assert [(event.kind, event.status.run) for event in events] == [
        ("registered", 0), ("starting", 1), ("running", 1), ("crashed", 1), ("starting", 2), ("running", 2),
        ("failed", 2), ("starting", 3), ("running", 3), ("stopping", 3), ("stopped", 3), ("removed", 3),
    ]
    assert [event.seq for event in events] == list(range(1, 13))
    assert {event.kind for event in events} - {"registered", "removed"} == {
        event.status.status for event in events[1:-1]
    }


def test_a_subscriber_that_raises_or_sleeps_harms_nobody(
    manager: Manager, engine: FakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    """H-callback-raises"""
    go, events = threading.Event(), []

    def subscriber(event: Event) -> None:
        events.append(event.kind)
        assert go.wait(10)
        raise RuntimeError("no")

    end = manager.subscribe(subscriber)
    run(manager, "p")
    for _ in range(10):
        manager.restart_process("p")
    assert len(events) <= 1
    go.set()
    until(lambda: len(events) == 33)
    end()
    manager.restart_process("p")
    assert words(manager) == {"p": "running"}
    assert len(events) == 33


WAITS: dict[str, Callable[[Manager], object]] = {
    "stop": lambda manager: manager.stop(),
    "remove": lambda manager: manager.remove("p"),
    "start_process": lambda manager: manager.start_process("p"),
    "stop_process": lambda manager: manager.stop_process("p"),
    "restart_process": lambda manager: manager.restart_process("p"),
    "wait_for": lambda manager: manager.wait_for("p", "failed"),
}


@pytest.mark.parametrize("wait", WAITS)
def test_waiting_inside_a_callback_is_an_error(manager: Manager, wait: str) -> None:
    """L-shutdown-reentrant"""
    answers: list[object] = []

    def subscriber(event: Event) -> None:
        if event.kind == "running":
            try:
                answers.append(WAITS[wait](manager))
            except RuntimeError as error:
                answers.append(str(error))

    manager.subscribe(subscriber)
    run(manager, "p")
    until(lambda: answers)
    assert answers == ["cannot wait inside a subscriber's callback: it would wait for itself"]
    assert words(manager) == {"p": "running"}


def test_a_callback_may_ask_without_waiting(manager: Manager) -> None:
    def subscriber(event: Event) -> None:
        assert manager.status("p").id in manager
        if event.kind == "running" and event.status.run < 3:
            manager.start()
            manager.restart_process("p", wait=False)

    manager.subscribe(subscriber)
    run(manager, "p")
    manager.wait_for("p", lambda status: (status.status, status.run) == ("running", 3), timeout=10)
