"""A manager as a whole: registering, starting, stopping, looking."""
from __future__ import annotations

import dataclasses
import errno
import gc
import logging
import pickle
import sys
import threading
import weakref
from datetime import UTC
from pathlib import Path

import pytest
from support import until
from threads.fakes import ACTIONS, LOOKS, call, fake, run, words, write

from processman import Config, Event, Manager
from processman.errors import ConfigError, DuplicateProcess, NotStarted, ProcessNotFound, WaitTimeout
from processman.testing import FakeEngine, wait_for_line


# -- making, registering, starting ---
def test_making_a_manager_does_nothing(tmp_path: Path) -> None:
    manager = Manager(Config(data_dir=str(tmp_path / "no such folder")))
    assert (manager.ids, manager.list(), len(manager), manager.started) == ((), (), 0, False)
    assert not (tmp_path / "no such folder").exists()
    assert threading.active_count() == 1
    manager.stop()


def test_what_is_registered_before_starts_with_the_rest(
    manager: Manager, engine: FakeEngine, tmp_path: Path
) -> None:
    write(tmp_path, "file-1", "file-2")
    manager.register(fake("code-b"))
    manager.register(fake("code-a"))
    assert words(manager) == {"code-b": "stopped", "code-a": "stopped"}
    assert engine.children == []
    manager.start()
    assert manager.ids == ("code-b", "code-a", "file-1", "file-2")
    for id in manager.ids:
        manager.wait_for(id, "running", timeout=10)
    assert sorted(child.launch.id for child in engine.children) == sorted(manager.ids)


def test_processes_begin_in_the_order_of_registration(manager: Manager, tmp_path: Path) -> None:
    write(tmp_path, "c", "d")
    events: list[Event] = []
    manager.subscribe(events.append)
    for id in ("b", "a"):
        manager.register(fake(id))
    manager.start()
    until(lambda: len([event for event in events if event.kind == "running"]) == 4)
    assert [event.process_id for event in events if event.kind == "registered"] == ["b", "a", "c", "d"]


def test_what_is_registered_later_starts_at_once_and_is_listed_last(manager: Manager, tmp_path: Path) -> None:
    write(tmp_path, "file")
    manager.register(fake("code"))
    manager.start()
    manager.register(fake("late"))
    assert manager.wait_for("late", "running", timeout=10).run == 1
    assert manager.ids == tuple(words(manager)) == tuple(manager) == ("code", "file", "late")


@pytest.mark.parametrize("late", [True, False])
def test_without_autostart_it_waits_to_be_asked(manager: Manager, engine: FakeEngine, late: bool) -> None:
    if late:
        manager.start()
    manager.register(fake("lazy", autostart=False))
    manager.start()
    manager.register(fake("marker"))
    manager.wait_for("marker", "running", timeout=10)
    assert words(manager) == {"lazy": "stopped", "marker": "running"}
    manager.start_process("lazy")
    assert words(manager)["lazy"] == "running"


@pytest.mark.parametrize("started", [True, False])
def test_an_id_is_taken_once(manager: Manager, tmp_path: Path, started: bool) -> None:
    write(tmp_path, "file")
    manager.register(fake("code"))
    if started:
        manager.start()
    for id in ("code", "file") if started else ("code",):
        with pytest.raises(DuplicateProcess, match=f"cannot register process '{id}': the id is taken"):
            manager.register(fake(id))


def test_an_id_in_the_file_and_in_code_starts_nothing(manager: Manager, engine: FakeEngine, tmp_path: Path) -> None:
    write(tmp_path, "first", "both")
    manager.register(fake("code"))
    manager.register(fake("both"))
    with pytest.raises(DuplicateProcess) as raised:
        manager.start()
    assert raised.value.id == "both"
    assert (manager.started, engine.children, manager.ids) == (False, [], ("code", "both"))
    write(tmp_path, "first")
    manager.start()
    assert manager.ids == ("code", "both", "first")


def test_a_broken_file_starts_nothing(manager: Manager, engine: FakeEngine, tmp_path: Path) -> None:
    """F-json-zoo"""
    (tmp_path / "pb_processes.json").write_text("[{]")
    manager.register(fake("code"))
    with pytest.raises(ConfigError):
        manager.start()
    assert (manager.started, engine.children) == (False, [])


def test_starting_and_stopping_twice_is_harmless(manager: Manager, engine: FakeEngine) -> None:
    """L-shutdown-reentrant"""
    manager.stop()
    run(manager, "p")
    manager.start()
    assert len(engine.children) == 1
    manager.stop()
    manager.stop()
    assert engine.child(1).reaped


def test_a_manager_that_cannot_make_its_processes_starts_nothing(
    manager: Manager, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-emfile"""
    waiter, left = engine.waiter, iter([True, True])

    def scarce() -> object:
        if next(left, False):
            return waiter()
        raise OSError(errno.EMFILE, "too many open files")

    for id in ("a", "b", "c"):
        manager.register(fake(id))
    with monkeypatch.context() as patched:
        patched.setattr(engine, "waiter", scarce)
        with pytest.raises(OSError, match="too many"):
            manager.start()
    assert (manager.started, engine.children, words(manager)) == (False, [], dict.fromkeys("abc", "stopped"))
    manager.start()
    manager.wait_for("c", "running", timeout=10)
    with monkeypatch.context() as patched:
        patched.setattr(engine, "waiter", scarce)
        with pytest.raises(OSError, match="too many"):
            manager.register(fake("d"))
    assert "d" not in manager
    manager.register(fake("d"))


def test_the_context_starts_and_stops(tmp_path: Path, engine: FakeEngine) -> None:
    def host(manager: Manager) -> None:
        with manager:
            run(manager, "p")
            raise KeyError("its own")

    manager = Manager(Config(data_dir=str(tmp_path)), _engine=engine)
    with pytest.raises(KeyError):
        host(manager)
    assert words(manager) == {"p": "stopped"}


# -- after the end, and again ---
def test_processes_stay_listed_as_they_were_left(manager: Manager, engine: FakeEngine, tmp_path: Path) -> None:
    write(tmp_path, "file")
    run(manager, "code", max_retries=0)
    manager.wait_for("file", "running", timeout=10)
    engine.child(1).say("hello")
    wait_for_line(manager, engine.child(1).launch.id, "hello")
    manager.stop()
    assert words(manager) == {"code": "stopped", "file": "stopped"}
    status = manager.status(engine.child(1).launch.id)
    assert (status.run, status.signal, status.pid) == (1, "SIGTERM", None)
    assert [line.content for line in manager.logs(status.id)] == ["hello"]


def test_the_next_start_reads_the_file_afresh(manager: Manager, tmp_path: Path) -> None:
    """L-reload"""
    write(tmp_path, "one", "two")
    run(manager, "code")
    manager.stop()
    write(tmp_path, "two", "three")
    manager.start()
    assert manager.ids == ("code", "two", "three")
    for id in manager.ids:
        assert manager.wait_for(id, "running", timeout=10).run == 1


def test_what_is_registered_between_two_lives_is_in_the_second(manager: Manager) -> None:
    run(manager, "first")
    manager.stop()
    manager.register(fake("second"))
    assert words(manager) == {"first": "stopped", "second": "stopped"}
    manager.start()
    assert manager.wait_for("second", "running", timeout=10)


@pytest.mark.parametrize("action", ACTIONS)
def test_actions_need_a_started_manager(manager: Manager, action: str) -> None:
    manager.register(fake("p"))
    with pytest.raises(NotStarted, match="cannot act on process 'p': the manager is not started"):
        ACTIONS[action](manager, "p")
    manager.start()
    manager.stop()
    with pytest.raises(NotStarted):
        ACTIONS[action](manager, "p")


@pytest.mark.parametrize("action", ACTIONS)
def test_actions_are_refused_while_it_stops(manager: Manager, engine: FakeEngine, action: str) -> None:
    run(manager, "p", stop_timeout=60)
    engine.child(1).obeys = False
    stopped = call(manager.stop)
    until(lambda: words(manager) == {"p": "stopping"})
    with pytest.raises(NotStarted):
        ACTIONS[action](manager, "p")
    assert words(manager) == {"p": "stopping"}
    engine.child(1).exit(0)
    until(lambda: stopped == [None])


@pytest.mark.parametrize("started", [True, False])
@pytest.mark.parametrize("action", [*ACTIONS, *LOOKS])
def test_an_unknown_id_is_said_so(manager: Manager, action: str, started: bool) -> None:
    if started:
        manager.start()
    with pytest.raises(ProcessNotFound, match="cannot find process 'nobody': it is not registered") as raised:
        {**ACTIONS, **LOOKS}[action](manager, "nobody")
    assert raised.value.id == "nobody"
    assert isinstance(raised.value, LookupError)


# -- forgetting ---
@pytest.mark.parametrize("started", [True, False])
def test_what_is_removed_is_stopped_and_forgotten(manager: Manager, engine: FakeEngine, started: bool) -> None:
    manager.register(fake("p"))
    manager.register(fake("q"))
    if started:
        manager.start()
        manager.wait_for("p", "running", timeout=10)
    manager.remove("p")
    assert manager.ids == ("q",)
    with pytest.raises(ProcessNotFound):
        manager.status("p")
    assert all(child.reaped for child in engine.children if child.launch.id == "p")
    manager.register(fake("p"))
    assert manager.ids == ("q", "p")


def test_what_is_removed_after_the_end_does_not_come_back(manager: Manager) -> None:
    run(manager, "p")
    manager.stop()
    manager.remove("p")
    manager.start()
    assert manager.ids == ()


# -- looking ---
def test_it_is_a_collection_of_ids(manager: Manager) -> None:
    manager.register(fake("b"))
    manager.register(fake("a"))
    assert (len(manager), list(manager), "a" in manager, "c" in manager, 7 in manager) == (
        2, ["b", "a"], True, False, False
    )


def test_a_status_says_everything(manager: Manager, engine: FakeEngine, tmp_path: Path) -> None:
    config = fake("p", cwd=str(tmp_path))
    manager.register(config)
    assert manager.status("p").config == config
    manager.start()
    status = manager.wait_for("p", "running", timeout=10)
    assert (status.pid, status.run, status.watch, status.escaped) == (engine.child(1).pid, 1, None, ())
    assert status.start_time is not None
    assert status.start_time.tzinfo is UTC
    assert status.uptime is not None
    assert manager.status("p").uptime is not None
    assert status.uptime <= manager.status("p").uptime  # type: ignore[operator]
    with pytest.raises(dataclasses.FrozenInstanceError):
        status.pid = 7  # type: ignore[misc]


def test_a_relative_cwd_is_from_where_we_are_when_registering(
    manager: Manager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    manager.register(fake("p", cwd="agents"))
    monkeypatch.undo()
    assert manager.status("p").config.cwd == str(tmp_path / "agents")


@pytest.mark.parametrize("lines", [0, -1, 1001, 10**9])
def test_logs_are_limited(manager: Manager, lines: int) -> None:
    """A-lines"""
    manager.register(fake("p"))
    with pytest.raises(ValueError, match="1 to 1000"):
        manager.logs("p", lines)


def test_logs_are_the_newest_oldest_first(manager: Manager, engine: FakeEngine) -> None:
    run(manager, "p")
    for number in range(1200):
        engine.child(1).say(str(number))
    assert [line.content for line in manager.logs("p")] == [str(number) for number in range(1100, 1200)]
    assert len(manager.logs("p", 1000)) == 1000
    assert [line.seq for line in manager.logs("p", lines=1)] == [1200]


# -- manners ---
def test_the_end_of_the_interpreter_stops_everything_but_waits_only_so_long(
    manager: Manager, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """H-exit-paths"""
    monkeypatch.setattr("processman.life._EXIT_PATIENCE", 0.01)
    run(manager, "p", stop_timeout=0.01)
    engine.child(1).obeys = engine.child(1).mortal = False
    with caplog.at_level(logging.ERROR):
        manager._life._at_exit()
    assert engine.child(1).signals[0] == "SIGTERM"
    assert "cannot wait longer for process 'p': it is stopping" in caplog.text


def test_lines_reach_logging_until_the_end(
    manager: Manager, engine: FakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "processman.output")
    run(manager, "p")
    engine.child(1).say("hello")
    until(lambda: "[p][STDOUT] hello" in caplog.messages)
    engine.child(1).say("goodbye")
    manager.stop()
    assert "[p][STDOUT] goodbye" in caplog.messages


def test_errors_are_of_the_kinds_that_hosts_know() -> None:
    assert issubclass(WaitTimeout, TimeoutError)
    assert issubclass(ConfigError, ValueError)
    assert issubclass(ProcessNotFound, LookupError)
    assert pickle.loads(pickle.dumps(fake("p"))) == fake("p")


def test_managers_that_stop_at_once_leave_the_interpreter_as_it_was(tmp_path: Path) -> None:
    interval = sys.getswitchinterval()
    managers = [Manager(Config(data_dir=str(tmp_path)), _engine=FakeEngine(obeys=False)) for _ in range(2)]
    for manager in managers:
        run(manager, "p", stop_timeout=60)
    stopped = [call(manager.stop) for manager in managers]
    until(lambda: all(words(manager) == {"p": "stopping"} for manager in managers))
    for manager, answer in zip(managers, stopped, strict=True):
        manager.kill()
        until(lambda: answer == [None])  # noqa: B023
    assert sys.getswitchinterval() == interval


def test_nothing_holds_on_to_what_was_removed(manager: Manager) -> None:
    for id in ("p", "q"):
        run(manager, id, autostart=False)
    journal = weakref.ref(manager._life.processes["p"].journal)
    manager.remove("p")
    until(lambda: gc.collect() >= 0 and journal() is None)


def test_files_are_watched_in_dev_mode_and_no_longer_after_the_end(manager: Manager, tmp_path: Path) -> None:
    run(manager, "p", dev_mode=True, cwd=str(tmp_path))
    assert manager.status("p").watch == "on"
    manager.stop()
