"""What a killed manager left is ended by the next one on its directory, and nothing else is."""
from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from processes.host import begin, finish, is_alive
from support import child, until, wait_for_line

from processman import Config, Manager
from processman.ledger import Ledger


def ledgers(directory: Path) -> list[Path]:
    """Return the files of managers that live, or died without a word."""
    return sorted((directory / ".processman" / "ledger").glob("*"))


@pytest.fixture
def innocent() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has nothing to do with any of this."""
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as process:
        yield process
        process.kill()


def read_pids(host: subprocess.Popen[str]) -> list[int]:
    """Return the pids that a host tells first."""
    assert host.stdout is not None
    line = host.stdout.readline()
    assert line, finish(host)
    pids = json.loads(line)["pids"]
    assert all(map(is_alive, pids))
    return list(pids)


@pytest.mark.parametrize("times", [1, pytest.param(20, marks=pytest.mark.soak)])
def test_killed_manager_is_cleaned_up_after_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """H-kill9: stopped, daemonised and stubborn ones, and the claim is free when the next run takes it."""
    monkeypatch.setattr("processman.leftovers.GRACE", 0.5)
    claim = tmp_path / "claim"
    for _ in range(times):
        host = begin(tmp_path, "leaves.py", claim)
        pids = read_pids(host)
        host.kill()
        finish(host)
        assert len(ledgers(tmp_path)) == 1
        with Manager(Config(data_dir=str(tmp_path))) as manager:
            assert [pid for pid in pids if is_alive(pid)] == []
            assert len(ledgers(tmp_path)) == 1  # our own
            manager.register(child("claims", "claims.py", claim))
            wait_for_line(manager, "claims", "ready")
        assert ledgers(tmp_path) == []
    assert not claim.with_suffix(".doubled").exists()


def test_manager_that_lives_is_left_alone(
    tmp_path: Path, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """H-two-managers: in another process."""
    monkeypatch.setattr("processman.leftovers.GRACE", 0.5)
    host = begin(tmp_path, "leaves.py", tmp_path / "claim")
    try:
        pids = read_pids(host)
        manager.start()
        manager.stop()
        assert all(map(is_alive, pids))
        assert len(ledgers(tmp_path)) == 1
    finally:
        host.kill()
        finish(host)
    manager.start()
    assert not any(map(is_alive, pids))


def test_managers_on_one_directory_in_one_process_are_two(tmp_path: Path, manager: Manager) -> None:
    """H-two-managers"""
    manager.register(child("same", "waits.py"))
    manager.start()
    wait_for_line(manager, "same", "ready")
    with Manager(Config(data_dir=str(tmp_path))) as other:
        other.register(child("same", "waits.py"))
        wait_for_line(other, "same", "ready")
        assert len(ledgers(tmp_path)) == 2
        other.restart_process("same", timeout=10)
    assert manager.status("same").run == 1
    assert is_alive(manager.status("same").pid or 0)
    assert len(ledgers(tmp_path)) == 1


@pytest.mark.parametrize(("seconds", "ended"), [(0.0, True), (-1.0, False), (1.0, False)])
def test_only_the_very_process_that_was_noted_is_ended(
    tmp_path: Path, manager: Manager, innocent: subprocess.Popen[bytes], seconds: float, ended: bool
) -> None:
    """T-pidreuse: a number that means another process by now."""
    note = Ledger.open(tmp_path, "0123456789abcdef")
    note.record(0, "gone", innocent.pid, psutil.Process(innocent.pid).create_time() + seconds)
    note.abandon()
    manager.start()
    if ended:
        until(lambda: innocent.poll() is not None)
    assert innocent.poll() == (-signal.SIGTERM if ended else None)
    manager.stop()
    assert ledgers(tmp_path) == []


def test_without_a_data_directory_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    manager = Manager()
    manager.register(child("waits", "waits.py"))
    with manager:
        wait_for_line(manager, "waits", "ready")
        assert os.listdir(tmp_path) == []
    assert os.listdir(tmp_path) == []
