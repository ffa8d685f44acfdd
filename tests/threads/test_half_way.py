"""A manager between its states: two stops at once, what comes in while it starts, threads that do not begin."""
from __future__ import annotations

import threading
from pathlib import Path

import pytest
from support import until
from threads.fakes import call, fake, run, words

import processman.life
from processman import Manager
from processman.errors import WaitTimeout
from processman.supervisor import Supervisor
from processman.testing import FakeEngine


def test_a_second_stop_does_not_wait_longer_than_it_was_told(manager: Manager, engine: FakeEngine) -> None:
    engine.obeys = False
    run(manager, "web", stop_timeout="1h")
    first = call(manager.stop)
    until(lambda: words(manager) == {"web": "stopping"})
    child = engine.child(1)
    with pytest.raises(WaitTimeout) as caught:
        manager.stop(timeout=0.05)
    assert caught.value.id == "web"
    assert first == []
    child.exit()
    manager.stop()
    assert words(manager) == {"web": "stopped"}


def test_what_is_registered_while_the_file_is_read_starts_too(
    manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    def register(_: Path) -> None:
        manager.register(fake("late"))

    monkeypatch.setattr(processman.life, "end_leftovers", register)
    manager.start()
    manager.wait_for("late", "running", timeout=10)


def test_a_thread_that_does_not_begin_leaves_a_manager_that_stops(
    manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-nproc"""
    begun = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if isinstance(thread, Supervisor) and "second" in thread.name:
            raise RuntimeError("can't start new thread")
        begun(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    manager.register(fake("first"))
    manager.register(fake("second"))
    with pytest.raises(RuntimeError, match="new thread"):
        manager.start()
    manager.stop()
    assert words(manager) == {"first": "stopped", "second": "stopped"}
