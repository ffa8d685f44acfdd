"""What happens when descriptors, processes, memory or directories run out, and when they are back."""
from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from processes.host import told
from support import child, require_root, until, wait_for_line

from processman import ConfigError, Manager, ProcessConfig, StartFailed
from processman.child import TreeChild
from processman.inbox import Inbox
from processman.journal import Journal
from processman.local import LocalEngine, Spawned
from processman.reader import Output
from processman.runtime import Runtime
from processman.supervisor import Supervisor
from processman.table import ProcessTable
from processman.tree import Tree
from processman.waiters import PollWaiter

STRANGER = 54321  # a user with no process but those of one test


def check_descriptors(directory: Path, room: int, times: int) -> None:
    first, last = told(directory, "few_descriptors.py", room, times, patience=300)
    assert first["errors"] or room > 3
    assert all(error.endswith("too many open files (EMFILE)") for error in first["errors"])
    assert last == {"crashes": "SIGKILL", "left": False, "bystander": 1}


@pytest.mark.parametrize("room", range(9))
def test_too_few_descriptors_delay_a_run_and_leave_nothing(tmp_path: Path, room: int) -> None:
    """R-emfile"""
    check_descriptors(tmp_path, room, 10)


@pytest.mark.soak
@pytest.mark.parametrize("room", range(6))
def test_1000_runs_that_lack_descriptors_leave_nothing(tmp_path: Path, room: int) -> None:
    """R-emfile"""
    check_descriptors(tmp_path, room, 1000)


@pytest.mark.parametrize(("room", "refused"), [
    (0, "can't start new thread"), (1, "can't start new thread"), (2, "resource temporarily unavailable (EAGAIN)"),
])
def test_too_few_processes_delay_a_run_and_leave_nothing(room: int, refused: str) -> None:
    """R-nproc"""
    require_root()
    with TemporaryDirectory() as home:
        os.chown(home, STRANGER, STRANGER)
        (facts,) = told(Path(home), "few_processes.py", STRANGER, room, 20)
    assert len(facts["errors"]) == 1
    assert facts["errors"][0].endswith(refused)
    assert (facts["status"], facts["bystander"], facts["user"]) == ("crashed", 1, STRANGER)


@pytest.fixture
def inject(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let a method fail for lack of memory, once, the next time that it is called."""

    def inject(owner: type, name: str) -> None:
        real = getattr(owner, name)

        def fail(*args: Any, **more: Any) -> Any:
            setattr(owner, name, real)
            raise MemoryError

        monkeypatch.setattr(owner, name, fail)

    return inject


@pytest.mark.parametrize("place", [
    (Runtime, "_prepare"), (Runtime, "_spawned"), (Output, "__init__"), (Output, "_begin"), (Output, "_pipe"),
    (Journal, "append"), (LocalEngine, "spawn"), (TreeChild, "__init__"), (Spawned, "peek"), (TreeChild, "poll"),
    (TreeChild, "terminate"), (TreeChild, "reap"), (ProcessTable, "look"), (Tree, "look"), (Tree, "send"),
    (Inbox, "take"), (Inbox, "publish"), (Supervisor, "_hear"), (Supervisor, "_feed"), (Supervisor, "_publish"),
    (PollWaiter, "wait"),
], ids=lambda place: f"{place[0].__name__}.{place[1]}")
def test_a_lack_of_memory_neither_loses_nor_doubles_a_process(
    manager: Manager, inject: Callable[..., None], tmp_path: Path, place: tuple[type, str]
) -> None:
    """R-memory"""
    claim = tmp_path / "claim"
    manager.register(child("bystander", "waits.py"))
    manager.register(child("p", "claims.py", claim, max_retries=-1))
    manager.start()
    for id in manager:
        wait_for_line(manager, id, "ready")
    inject(*place)
    with suppress(StartFailed):
        manager.restart_process("p", timeout=10)
    manager.wait_for("p", ("running", "failed"), timeout=10)
    manager.restart_process("p", timeout=10)
    run = manager.status("p").run
    until(lambda: any(line.run == run for line in manager.logs("p")))
    assert not (tmp_path / "claim.doubled").exists()
    assert (manager.status("bystander").run, manager.status("bystander").status) == (1, "running")
    manager.stop_process("p", timeout=10)
    assert manager.status("p").status == "stopped"


@pytest.mark.parametrize(("options", "error"), [
    ({"args": ["x" * 200_000]}, "too long for the system (longest: argv[1], 200000 bytes)"),
    ({"env": {"LONG": "x" * 200_000}}, "too long for the system (longest: env 'LONG', 200000 bytes)"),
    ({"args": ["ok", "a\0b"]}, "cannot pass argument 2: it holds a NUL character"),
    ({"env": {"X": "a\0b"}}, "cannot pass env 'X': it holds a NUL character"),
    ({"args": ["\ud800"]}, "cannot pass argument 1: it holds a character that cannot be encoded"),
    ({"env": {"X": "\udfff"}}, "cannot pass env 'X': it holds a character that cannot be encoded"),
    ({"command": "/nowhere"}, "cannot find command '/nowhere': there is no such file"),
    ({"cwd": "/nowhere"}, "cannot enter cwd '/nowhere': there is no such directory"),
])  # fmt: skip
def test_what_cannot_be_passed_fails_at_once_and_says_what(
    manager: Manager, options: dict[str, Any], error: str
) -> None:
    """R-spawn-args"""
    manager.register(ProcessConfig(**{"id": "p", "command": "/bin/true", "cwd": "/", "max_retries": -1} | options))
    manager.start()
    status = manager.wait_for("p", "failed", timeout=10)
    assert (status.run, status.next_retry_at, status.pid) == (1, None, None)
    assert error in status.last_error
    with pytest.raises(StartFailed, match="cannot start process 'p': "):
        manager.start_process("p")
    assert manager.status("p").run == 2


@pytest.mark.parametrize("options", [
    {"env": {"A=B": "x"}}, {"env": {"": "x"}}, {"env": {"X": 1}}, {"args": [1]}, {"args": "x"}, {"command": ""},
])
def test_what_nobody_could_pass_cannot_be_configured(options: dict[str, Any]) -> None:
    """R-spawn-args"""
    with pytest.raises(ConfigError):
        ProcessConfig(**{"id": "p", "command": "/bin/true"} | options)


def test_a_cwd_that_vanishes_is_named_and_waited_for(manager: Manager, tmp_path: Path) -> None:
    """R-cwd-vanishes"""
    home = tmp_path / "home"
    home.mkdir()
    manager.register(child("p", "waits.py", cwd=str(home), max_retries=-1))
    manager.start()
    wait_for_line(manager, "p", "ready")
    shutil.rmtree(home)
    os.kill(manager.status("p").pid or 0, signal.SIGKILL)
    status = manager.wait_for("p", lambda status: status.status == "crashed" and status.run > 3, timeout=10)
    assert status.last_error == f"cannot enter cwd '{home}': there is no such directory"
    assert status.next_retry_at is not None
    home.mkdir()
    manager.wait_for("p", "running", timeout=10)
    until(lambda: len(manager.logs("p")) == 2)
    assert Path(f"/proc/{manager.status('p').pid}/cwd").readlink() == home
