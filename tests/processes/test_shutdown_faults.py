"""Ending everything, at odd moments: from callbacks, from many threads, while things start, behind removals."""
from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import child, until, wait_for_line

from processman import (
    DuplicateProcess,
    Event,
    Manager,
    NotStarted,
    Overruled,
    ProcessmanError,
    ProcessNotFound,
)


@pytest.fixture
def restless() -> Iterator[None]:
    """Let threads take turns as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def side_by_side(*calls: Callable[[], object]) -> list[BaseException]:
    """Make all *calls* at once; return what they raised."""
    together, raised = threading.Barrier(len(calls)), list[BaseException]()

    def make(call: Callable[[], object]) -> None:
        together.wait()
        try:
            call()
        except ProcessmanError as error:
            raised.append(error)

    threads = [threading.Thread(target=make, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    return raised


@pytest.mark.parametrize("each", [2, pytest.param(10, marks=pytest.mark.soak)])
def test_everything_ends_whatever_it_is_at(manager: Manager, each: int) -> None:
    """L-shutdown-mixed: a hour of backoff, children that ignore SIGTERM, trees; then all of it once more."""
    for n in range(each):
        manager.register(child(f"stubborn{n}", "ignores_term.py", stop_timeout="300ms"))
        manager.register(child(f"backoff{n}", "exits_with.py", 1, backoff="1h"))
        manager.register(child(f"forks{n}", "setsid_child.py"))
        manager.register(child(f"waits{n}", "waits.py"))
        manager.register(child(f"missing{n}", "no_such_script.py"))
    words = dict.fromkeys(("stubborn", "forks", "waits"), "running") | {"backoff": "crashed", "missing": "failed"}
    for _ in range(2):
        manager.start()
        for id in manager.ids:
            manager.wait_for(id, words[id.rstrip("0123456789")], timeout=30)
            if not id.startswith("missing"):
                wait_for_line(manager, id, "ready", timeout=30)
        manager.stop()
        assert {status.status for status in manager.list()} == {"stopped"}


def test_stop_may_come_twice_and_from_many_threads(manager: Manager) -> None:
    """L-shutdown-reentrant"""
    manager.register(child("slow", "slow_stop.py", 0.2))
    manager.start()
    wait_for_line(manager, "slow", "ready")
    assert side_by_side(*[manager.stop] * 8) == []
    manager.stop()
    assert manager.status("slow").status == "stopped"
    with pytest.raises(NotStarted):
        manager.start_process("slow")


def test_stop_and_start_at_once_leave_no_copy(manager: Manager, tmp_path: Path) -> None:
    """L-shutdown-reentrant: during a start, and a start after it."""
    claim = tmp_path / "claim"
    manager.register(child("one", "claims.py", claim))
    for _ in range(5):
        assert side_by_side(manager.start, manager.stop, manager.start, manager.stop) == []
    manager.start()
    manager.wait_for("one", "running", timeout=10)
    wait_for_line(manager, "one", "ready")
    manager.stop()
    assert not claim.with_suffix(".doubled").exists()


def test_callback_that_stops_is_told_why_not(manager: Manager) -> None:
    """L-shutdown-reentrant: from a callback, where waiting would be for itself."""
    refused: list[str] = []

    def callback(event: Event) -> None:
        for call in (manager.stop, lambda: manager.restart_process(event.process_id)):
            try:
                call()
            except RuntimeError as error:
                refused.append(str(error))

    manager.subscribe(callback)
    manager.register(child("waits", "waits.py"))
    manager.start()
    until(lambda: len(refused) >= 2)
    assert set(refused) == {"cannot wait inside a subscriber's callback: it would wait for itself"}
    assert manager.wait_for("waits", "running", timeout=10).run == 1


def test_slow_subscriber_is_told_of_the_next_start(manager: Manager) -> None:
    go_on, told = threading.Event(), list[tuple[str, int]]()

    def callback(event: Event) -> None:
        told.append((event.kind, event.status.run))
        if event.kind == "stopping":
            go_on.wait(20)

    manager.subscribe(callback)
    manager.register(child("waits", "waits.py"))
    manager.start()
    wait_for_line(manager, "waits", "ready")
    manager.stop()
    manager.start()
    go_on.set()
    until(lambda: told[-3:] == [("registered", 0), ("starting", 1), ("running", 1)], what=f"events, not {told}")


@pytest.mark.parametrize("end", ["stop", "remove"])
def test_start_behind_the_end_is_overruled(manager: Manager, end: str) -> None:
    """A start that is asked while the last stop is under way must neither undo it nor make it fail."""
    manager.register(child("slow", "slow_stop.py", 0.5))
    manager.start()
    wait_for_line(manager, "slow", "ready")
    raised: list[BaseException] = []

    def ending() -> None:
        raised.extend(side_by_side(manager.stop if end == "stop" else lambda: manager.remove("slow")))

    thread = threading.Thread(target=ending)
    thread.start()
    until(lambda: any("stopping" in line.content for line in manager.logs("slow")))
    with pytest.raises(NotStarted if end == "stop" else Overruled):
        manager.restart_process("slow", timeout=10)
    thread.join(10)
    assert raised == []
    assert ("slow" in manager) == (end == "stop")


@pytest.mark.usefixtures("restless")
def test_processes_removed_and_registered_at_once_are_never_two(manager: Manager, tmp_path: Path) -> None:
    """Of two that remove one process, the slower must not forget what was registered in its place."""
    claim = tmp_path / "claim"
    one = child("one", "claims.py", claim)
    manager.register(one)
    manager.start()

    def register() -> None:  # as soon as the first has removed it
        while "one" in manager:
            pass
        manager.register(one)

    for _ in range(20):
        raised = side_by_side(*[lambda: manager.remove("one")] * 4, register)
        assert {type(error) for error in raised} <= {ProcessNotFound, DuplicateProcess}
        if "one" not in manager:
            manager.register(one)
        wait_for_line(manager, "one", "ready")
    assert not claim.with_suffix(".doubled").exists()
