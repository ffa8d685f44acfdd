from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Iterator
from datetime import UTC

import pytest
from support import until

from processman import observers as module
from processman.config import ProcessConfig
from processman.events import Event
from processman.observers import Observers
from processman.states import State, Status

STATUS = Status(id="p", status=State.RUNNING, config=ProcessConfig(id="p", command="fake"))


@pytest.fixture
def observers() -> Iterator[Observers]:
    made = Observers()
    made.open()
    yield made
    made.close()


def publish(observers: Observers, *kinds: str) -> None:
    for kind in kinds:
        observers.publish(kind, dataclasses.replace(STATUS, run=len(kind)))


class Slow:
    """A subscriber that waits at its first event until it is let go."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.reached, self.go = threading.Event(), threading.Event()

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        self.reached.set()
        assert self.go.wait(10)


def test_events_come_in_order_numbered_from_one_thread(observers: Observers) -> None:
    events: list[tuple[int, str, str]] = []
    observers.subscribe(lambda event: events.append((event.seq, event.kind, threading.current_thread().name)))
    publish(observers, "registered", "starting", "running")
    until(lambda: len(events) == 3)
    assert events == [
        (1, "registered", "processman-observers"), (2, "starting", "processman-observers"),
        (3, "running", "processman-observers"),
    ]


def test_an_event_says_what_happened_to_whom(observers: Observers) -> None:
    events: list[Event] = []
    observers.subscribe(events.append)
    observers.publish("running", STATUS)
    until(lambda: events)
    assert (events[0].process_id, events[0].kind, events[0].status) == ("p", "running", STATUS)
    assert events[0].timestamp.tzinfo is UTC


def test_events_are_numbered_whether_somebody_hears_them_or_not(observers: Observers) -> None:
    publish(observers, "registered", "starting")
    events: list[Event] = []
    observers.subscribe(events.append)
    publish(observers, "running")
    until(lambda: events)
    assert [event.seq for event in events] == [3]


def test_a_subscriber_that_raises_harms_nobody(observers: Observers, caplog: pytest.LogCaptureFixture) -> None:
    """H-callback-raises"""
    events: list[str] = []

    def fail(event: Event) -> None:
        raise RuntimeError("no")

    observers.subscribe(fail)
    observers.subscribe(lambda event: events.append(event.kind))
    publish(observers, "starting", "running")
    until(lambda: events == ["starting", "running"])
    assert "a subscriber failed at starting of process 'p'" in caplog.text


def test_an_unsubscribed_one_hears_no_more(observers: Observers) -> None:
    first: list[str] = []
    second: list[str] = []
    end = observers.subscribe(lambda event: first.append(event.kind))
    observers.subscribe(lambda event: second.append(event.kind))
    publish(observers, "starting")
    until(lambda: second)
    end()
    end()
    publish(observers, "running")
    until(lambda: len(second) == 2)
    assert first == ["starting"]


def test_a_callback_may_end_its_own_subscription_and_begin_another(observers: Observers) -> None:
    kinds: list[str] = []

    def once(event: Event) -> None:
        end()
        observers.subscribe(lambda event: kinds.append(f"then {event.kind}"))
        kinds.append(f"once {event.kind}")

    end = observers.subscribe(once)
    publish(observers, "starting")
    until(lambda: kinds)
    publish(observers, "running")
    until(lambda: len(kinds) == 2)
    assert kinds == ["once starting", "then running"]


def test_one_callback_may_subscribe_twice(observers: Observers) -> None:
    events: list[Event] = []
    end = observers.subscribe(events.append)
    observers.subscribe(events.append)
    publish(observers, "starting")
    until(lambda: len(events) == 2)
    end()
    publish(observers, "running")
    until(lambda: len(events) == 3)


def test_a_subscription_begins_now_even_behind_a_slow_one(observers: Observers) -> None:
    slow, late = Slow(), []
    observers.subscribe(slow)
    publish(observers, "registered", "starting")
    assert slow.reached.wait(10)
    observers.subscribe(lambda event: late.append(event.kind))
    publish(observers, "running")
    slow.go.set()
    until(lambda: len(slow.events) == 3)
    until(lambda: late)
    assert late == ["running"]


def test_what_waits_for_an_unsubscribed_one_is_not_told(observers: Observers) -> None:
    slow, other = Slow(), []
    end = observers.subscribe(slow)
    observers.subscribe(lambda event: other.append(event.kind))
    publish(observers, "starting", "running")
    assert slow.reached.wait(10)
    end()
    slow.go.set()
    until(lambda: len(other) == 2)
    assert len(slow.events) == 1


def test_nobody_waits_for_a_slow_subscriber_who_is_told_what_was_dropped(
    observers: Observers, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """O-consumer-blocks"""
    monkeypatch.setattr(module, "BACKLOG", 5)
    slow = Slow()
    observers.subscribe(slow)
    publish(observers, "starting")
    assert slow.reached.wait(10)
    publish(observers, *["running"] * 12)
    slow.go.set()
    until(lambda: len(slow.events) == 6)
    assert [event.seq for event in slow.events] == [1, 9, 10, 11, 12, 13]
    assert caplog.messages == ["7 events were dropped: a subscriber is too slow"]


def test_a_log_handler_that_raises_harms_nobody(
    observers: Observers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """H-callback-raises"""
    def refuse(record: logging.LogRecord) -> bool:
        raise RuntimeError("no disk")

    monkeypatch.setattr(module.logger, "filters", [refuse])
    monkeypatch.setattr(module, "BACKLOG", 1)
    slow = Slow()
    observers.subscribe(slow)
    publish(observers, "starting")
    assert slow.reached.wait(10)
    publish(observers, "running", "stopping", "stopped")
    slow.go.set()
    until(lambda: len(slow.events) == 2)
    publish(observers, "starting")
    until(lambda: len(slow.events) == 3)


def test_there_is_no_thread_without_subscribers(observers: Observers) -> None:
    def threads() -> list[str]:
        return [thread.name for thread in threading.enumerate() if thread.name == "processman-observers"]

    publish(observers, "starting")
    end = observers.subscribe(lambda event: None)
    assert threads() == []
    publish(observers, "running")
    assert len(threads()) == 1
    end()
    until(lambda: not threads())


def test_what_happens_before_the_beginning_is_told_and_leaves_no_thread() -> None:
    observers, events = Observers(), []
    observers.subscribe(events.append)
    publish(observers, "removed")
    until(lambda: events)


def test_where_no_thread_can_be_made_events_wait_for_the_next(
    observers: Observers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-nproc"""
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    events: list[Event] = []
    observers.subscribe(events.append)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        publish(observers, "starting")
    publish(observers, "running")
    until(lambda: len(events) == 2)
    assert [event.kind for event in events] == ["starting", "running"]


def test_all_is_told_before_the_end(observers: Observers) -> None:
    events: list[Event] = []
    observers.subscribe(events.append)
    publish(observers, *["running"] * 500)
    observers.close()
    assert len(events) == 500


def test_subscriptions_live_on_over_an_end_and_a_new_beginning(observers: Observers) -> None:
    events: list[int] = []
    observers.subscribe(lambda event: events.append(event.seq))
    publish(observers, "running")
    observers.close()
    publish(observers, "starting")
    observers.open()
    publish(observers, "running")
    until(lambda: len(events) == 3)
    assert events == [1, 2, 3]


def test_an_end_waits_for_a_slow_subscriber_only_a_moment(observers: Observers) -> None:
    slow = Slow()
    observers.subscribe(slow)
    publish(observers, "running")
    assert slow.reached.wait(10)
    observers.close()
    observers.open()
    publish(observers, "starting")
    slow.go.set()
    until(lambda: len(slow.events) == 2)
    publish(observers, "running")
    until(lambda: len(slow.events) == 3)


def test_events_that_come_at_once_share_one_thread(observers: Observers) -> None:
    barrier, names = threading.Barrier(16), set()

    def begin() -> None:
        observers.subscribe(lambda event: names.add(threading.get_ident()))
        barrier.wait(10)
        publish(observers, "starting")

    threads = [threading.Thread(target=begin) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    heard: list[Event] = []
    observers.subscribe(heard.append)
    publish(observers, *["running"] * 50)
    until(lambda: len(heard) == 50)
    assert len(names) == 1


def test_it_knows_its_own_thread(observers: Observers) -> None:
    answers: list[bool] = []
    observers.subscribe(lambda event: answers.append(observers.is_calling()))
    publish(observers, "running")
    until(lambda: answers)
    assert answers == [True]
    assert not observers.is_calling()
