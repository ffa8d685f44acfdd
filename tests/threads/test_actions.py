"""Starting, stopping and restarting one process of a manager, and waiting for it."""
from __future__ import annotations

import errno
import threading
from collections import Counter
from contextlib import suppress
from typing import Any

import pytest
from support import until
from threads.fakes import call, fake, run, words

import processman
from processman import Manager, Status
from processman.errors import (
    AlreadyRunning,
    DuplicateProcess,
    NotStarted,
    Overruled,
    StartFailed,
    StopFailed,
    WaitTimeout,
)
from processman.testing import FakeChild, FakeEngine


# -- one process ---
def test_start_stop_and_restart_return_when_it_is_so(manager: Manager, engine: FakeEngine) -> None:
    run(manager, "p", autostart=False)
    manager.start_process("p")
    assert words(manager) == {"p": "running"}
    manager.restart_process("p")
    status = manager.status("p")
    assert (status.status, status.run, status.restart_count) == ("running", 2, 1)
    manager.stop_process("p")
    assert words(manager) == {"p": "stopped"}
    manager.stop_process("p")
    manager.restart_process("p")
    assert manager.status("p").run == 3


@pytest.mark.parametrize("wait", [True, False])
def test_a_start_of_what_runs_is_refused(manager: Manager, wait: bool) -> None:
    run(manager, "p")
    with pytest.raises(AlreadyRunning) as raised:
        manager.start_process("p", wait=wait)
    assert raised.value.id == "p"


def test_without_waiting_the_last_word_wins(manager: Manager, engine: FakeEngine) -> None:
    run(manager, "p", stop_timeout=60)
    engine.child(1).obeys = False
    manager.stop_process("p", wait=False)
    manager.start_process("p", wait=False)
    manager.restart_process("p", wait=False)
    engine.child(1).exit(0)
    assert manager.wait_for("p", "running", timeout=10).run == 2


def test_whoever_is_overtaken_is_overruled(manager: Manager, engine: FakeEngine) -> None:
    run(manager, "p", stop_timeout=60)
    engine.child(1).obeys = False
    stopped = call(manager.stop_process, "p")
    until(lambda: words(manager) == {"p": "stopping"})
    started = call(manager.start_process, "p")
    until(lambda: stopped)
    restarted = call(manager.stop_process, "p")
    until(lambda: started)
    engine.child(1).exit(0)
    until(lambda: restarted)
    assert isinstance(stopped[0], Overruled)
    assert isinstance(started[0], Overruled)
    assert restarted == [None]
    assert words(manager) == {"p": "stopped"}


@pytest.mark.parametrize("end", ["stop", "remove"])
def test_the_end_overtakes_a_start_and_who_waits(manager: Manager, engine: FakeEngine, end: str) -> None:
    run(manager, "p", stop_timeout=60)
    engine.child(1).obeys = False
    manager.stop_process("p", wait=False)
    started = call(manager.start_process, "p")
    waited = call(manager.wait_for, "p", "failed")
    lines = call(lambda: list(manager.follow("p", after=0)))
    until(lambda: manager.status("p").status == "stopping")
    ended = call(manager.stop) if end == "stop" else call(manager.remove, "p")
    until(lambda: started)
    engine.child(1).exit(0)
    until(lambda: ended == [None])
    assert isinstance(started[0], Overruled)
    until(lambda: waited)
    assert isinstance(waited[0], (Overruled, NotStarted))
    until(lambda: lines)
    assert lines == [[]]
    assert len(engine.children) == 1


def test_a_timeout_leaves_the_wish(manager: Manager, engine: FakeEngine) -> None:
    run(manager, "p", stop_timeout=60)
    engine.child(1).obeys = False
    with pytest.raises(WaitTimeout) as raised:
        manager.restart_process("p", timeout=0.01)
    assert (raised.value.id, raised.value.status.status) == ("p", "stopping")
    engine.child(1).exit(0)
    assert manager.wait_for("p", "running", timeout=10).run == 2


def test_a_start_keeps_to_its_timeout_however_slow_the_spawn(
    manager: Manager, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(manager, "p", autostart=False)
    spawn, go = engine.spawn, threading.Event()
    monkeypatch.setattr(engine, "spawn", lambda *args: (go.wait(10), spawn(*args))[1])
    manager.start_process("p", wait=False)
    manager.stop_process("p", wait=False)
    with pytest.raises(WaitTimeout):
        manager.start_process("p", timeout=0.01)
    go.set()
    assert manager.wait_for("p", lambda status: (status.status, status.run) == ("running", 2), timeout=10)


def test_a_first_failure_is_told_while_retries_go_on(manager: Manager, engine: FakeEngine) -> None:
    run(manager, "p", autostart=False, backoff=0.01)
    engine.fail.append(OSError(errno.EAGAIN, "try again"))
    with pytest.raises(StartFailed) as raised:
        manager.start_process("p")
    assert raised.value.status.status == "crashed"
    assert manager.wait_for("p", "running", timeout=10).run == 2


def test_many_starts_at_once_make_one(manager: Manager, engine: FakeEngine) -> None:
    """L-start-storm"""
    run(manager, "p", autostart=False)
    for number in range(1, 21):
        barrier = threading.Barrier(32)

        def start(barrier: threading.Barrier = barrier) -> None:
            barrier.wait(10)
            manager.start_process("p")

        answers = [call(start) for _ in range(32)]
        until(lambda: all(answers))  # noqa: B023
        assert Counter(type(answer[0]) for answer in answers) == {type(None): 1, AlreadyRunning: 31}
        assert len(engine.children) == number
        manager.stop_process("p")


# -- what cannot be ended ---
def test_stop_names_the_survivors_and_no_second_copy_is_started(
    manager: Manager, engine: FakeEngine, unkillable: FakeChild
) -> None:
    manager.register(fake("good"))
    manager.wait_for("good", "running", timeout=10)
    with pytest.raises(StopFailed) as raised:
        manager.stop()
    assert raised.value.survivors == (f"fake (pid {unkillable.pid})",)
    assert "'stubborn'" in str(raised.value)
    assert words(manager) == {"stubborn": "stopping", "good": "stopped"}
    assert manager.status("stubborn").escaped == raised.value.survivors
    with pytest.raises(StopFailed):
        manager.start()
    assert len(engine.children) == 2
    unkillable.exit(signal="SIGKILL")
    until(lambda: words(manager)["stubborn"] == "stopped")
    until(lambda: not manager._life.processes["stubborn"].supervised)
    manager.start()
    manager.wait_for("stubborn", "running", timeout=10)


@pytest.mark.parametrize("action", ["stop_process", "restart_process"])
def test_actions_name_the_survivors_and_go_on_later(
    manager: Manager, unkillable: FakeChild, action: str
) -> None:
    with pytest.raises(StopFailed):
        getattr(manager, action)("stubborn")
    assert manager.status("stubborn").status == "stopping"
    unkillable.exit(signal="SIGKILL")
    manager.wait_for("stubborn", "stopped" if action == "stop_process" else "running", timeout=10)


def test_what_cannot_be_ended_is_not_forgotten(manager: Manager, unkillable: FakeChild) -> None:
    with pytest.raises(StopFailed):
        manager.remove("stubborn")
    assert "stubborn" in manager
    with pytest.raises(DuplicateProcess):
        manager.register(fake("stubborn"))
    unkillable.exit(signal="SIGKILL")
    manager.wait_for("stubborn", "stopped", timeout=10)
    manager.remove("stubborn")
    assert "stubborn" not in manager


def test_a_stop_that_takes_too_long_can_be_waited_for_again(manager: Manager, engine: FakeEngine) -> None:
    run(manager, "p", stop_timeout=60)
    engine.child(1).obeys = False
    with pytest.raises(WaitTimeout):
        manager.stop(timeout=0.01)
    with pytest.raises(NotStarted):
        manager.start_process("p")
    again = call(manager.stop)
    engine.child(1).exit(0)
    until(lambda: again == [None])


def test_kill_ends_a_stop_by_force(manager: Manager, engine: FakeEngine) -> None:
    run(manager, "p", stop_timeout=60)
    engine.child(1).obeys = False
    stopped = call(manager.stop)
    until(lambda: words(manager) == {"p": "stopping"})
    manager.kill()
    until(lambda: stopped == [None])
    assert engine.child(1).signals == ["SIGTERM", "SIGKILL"]


def test_all_are_ended_side_by_side(manager: Manager, engine: FakeEngine) -> None:
    """L-shutdown-mixed"""
    for number in range(20):
        manager.register(fake(f"p{number}", stop_timeout=60))
    manager.start()
    engine.child(20)
    for child in engine.children:
        child.obeys = False
    stopped = call(manager.stop)
    until(lambda: set(words(manager).values()) == {"stopping"})
    assert stopped == []
    for child in reversed(engine.children):
        child.exit(0)
    until(lambda: stopped == [None])


# -- waiting for a status ---
@pytest.mark.parametrize("until_", [
    "running", ["running"], ("stopped", "running"), {"running", "failed"},
    lambda status: status.pid is not None, processman.State.RUNNING,
])
def test_waiting_for_words_or_anything_else(manager: Manager, until_: Any) -> None:
    run(manager, "p", autostart=False)
    if until_ == ("stopped", "running"):
        assert manager.wait_for("p", until_, timeout=10).status == "stopped"
        return
    waited = call(manager.wait_for, "p", until_, 10)
    manager.start_process("p")
    until(lambda: waited)
    assert isinstance(waited[0], Status)
    assert waited[0].status == "running"
    assert manager.wait_for("p", until_, timeout=0).pid == waited[0].pid


def test_a_wait_for_another_word_ends_when_it_failed(manager: Manager, engine: FakeEngine) -> None:
    run(manager, "p", max_retries=0)
    waited = call(manager.wait_for, "p", "stopped")
    crashed = call(manager.wait_for, "p", lambda status: status.status == "failed")
    failed = call(manager.wait_for, "p", ["failed", "exited"])
    engine.child(1).exit(3)
    until(lambda: waited and failed and crashed)
    assert isinstance(waited[0], StartFailed)
    assert str(waited[0]) == "cannot start process 'p': exit code 3"
    assert failed[0].status == crashed[0].status == "failed"  # type: ignore[attr-defined]
    with pytest.raises(StartFailed):
        manager.wait_for("p", "running", timeout=10)


def test_a_wait_may_be_over(manager: Manager) -> None:
    run(manager, "p")
    with pytest.raises(WaitTimeout, match="cannot wait longer for process 'p': it is running"):
        manager.wait_for("p", "crashed", timeout=0.01)


def test_a_word_that_does_not_exist_is_an_error(manager: Manager) -> None:
    run(manager, "p")
    with pytest.raises(ValueError, match="runing"):
        manager.wait_for("p", "runing")


# -- many at once ---
def test_whatever_many_threads_ask_for_there_is_one_of_each(manager: Manager, engine: FakeEngine) -> None:
    """L-mixed"""
    for id in ("a", "b"):
        manager.register(fake(id, max_retries=-1, backoff=0.001))
    manager.start()

    def ask(number: int) -> None:
        for step in range(40):
            id = "ab"[(step + number) % 2]
            action = (manager.start_process, manager.stop_process, manager.restart_process)[(step * 7 + number) % 3]
            with suppress(AlreadyRunning, Overruled):
                action(id, timeout=10)

    answers = [call(ask, number) for number in range(8)]
    until(lambda: all(answers), timeout=30)
    assert [answer[0] for answer in answers] == [None] * 8
    for id in ("a", "b"):
        alive = [child for child in engine.children if child.launch.id == id and not child.reaped]
        status = manager.status(id)
        assert [child.pid for child in alive] == ([status.pid] if status.status == "running" else [])


@pytest.mark.parametrize("other", ["stop", "start", "register", "remove"])
def test_a_stop_may_meet_anything(manager: Manager, engine: FakeEngine, other: str) -> None:
    """L-shutdown-reentrant"""
    manager.register(fake("p"))
    for number in range(20):
        manager.start()
        meets = {
            "stop": manager.stop, "start": manager.start, "register": lambda: manager.register(fake("q")),
            "remove": lambda: manager.remove("q"),
        }[other]
        if other == "remove":
            manager.register(fake("q"))
        answers = [call(manager.stop), call(meets)]
        until(lambda: all(answers))  # noqa: B023
        assert answers == [[None], [None]], number
        manager.stop()
        if other == "register":
            manager.remove("q")
        assert all(child.reaped for child in engine.children)
        assert set(words(manager).values()) <= {"stopped"}
