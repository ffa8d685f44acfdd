"""A manager that leads for a process which is no Python: what runs lives as long as that does."""
from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from processes.host import is_alive
from processes.keepers import Ground
from support import child, until, wait_for_line

from processman import Manager, ProcessConfig, ProcessmanError, hosts


@pytest.fixture
def host() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "600"]) as made:
        yield made
        made.kill()


def leader(ground: Ground, host: int, process: ProcessConfig) -> Manager:
    manager = Manager(ground.config())
    manager.register(process)
    manager.lead_for(host)
    return manager


def test_what_runs_ends_with_the_host_asked_first(
    ground: Ground, host: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    manager = leader(ground, host.pid, child("web", "says_farewell.py", tmp_path / "life", 0))
    wait_for_line(manager, "web", "ready")
    pid = manager.status("web").pid
    host.kill()
    manager.wait_until_left()
    assert (tmp_path / "life").read_text().split() == ["start", str(pid), "farewell", str(pid)]
    assert manager.role == "stopped"


def test_a_manager_that_stops_ends_what_runs(ground: Ground, host: subprocess.Popen[bytes]) -> None:
    manager = leader(ground, host.pid, child("web", "waits.py"))
    pid = manager.wait_for("web", "running").pid
    manager.stop()
    assert not is_alive(pid)
    host.kill()


def test_the_next_manager_goes_on_and_holds_one_lease(ground: Ground, host: subprocess.Popen[bytes]) -> None:
    pids = set()
    for _ in range(3):
        manager = leader(ground, host.pid, child("web", "waits.py"))
        pids.add(manager.wait_for("web", "running").pid)
        assert manager._life._seat._lease.count() == 1
        manager._life.stop(None, leaving=True)  # as the end of the interpreter does
    assert len(pids) == 1
    assert is_alive(pids.pop())
    manager = leader(ground, host.pid, child("web", "waits.py"))
    manager.stop()
    host.kill()


def test_a_lost_keeper_is_replaced_while_the_host_lives(ground: Ground, host: subprocess.Popen[bytes]) -> None:
    manager = leader(ground, host.pid, child("web", "waits.py"))
    first = manager.wait_for("web", "running").pid
    keeper = manager._life._seat._lease.keeper
    os.kill(keeper, 9)
    second = manager.wait_for("web", lambda status: status.status == "running" and status.pid != first, 20).pid
    assert not is_alive(first)
    assert psutil.Process(second).ppid() != keeper
    host.kill()
    manager.wait_until_left()
    assert not is_alive(second)


def test_nobody_leads_for_a_host_that_is_over(ground: Ground, host: subprocess.Popen[bytes]) -> None:
    host.kill()
    host.wait()
    with pytest.raises(ProcessmanError, match="there is no process"):
        leader(ground, host.pid, child("web", "waits.py"))


def test_the_end_of_a_process_of_anybody_is_seen(host: subprocess.Popen[bytes]) -> None:
    assert hosts.lives(host.pid)
    assert not hosts.wait_for_end(host.pid, 0.01)
    host.kill()
    assert hosts.wait_for_end(host.pid)
    assert not hosts.lives(host.pid)
    until(lambda: host.poll() is not None)
    assert not hosts.lives(host.pid)
