"""Ending trees: members that ignore, stop, leave, daemonise, or fork for ever; each is asked once, none is left."""
from __future__ import annotations

import sys
from pathlib import Path

import pytest
from processes.host import is_alive
from support import CHILDREN, child, until, wait_for_line

from processman import Manager, ProcessConfig, Status


def begin(manager: Manager, process: ProcessConfig) -> list[int]:
    """Start *process*; return the pids that it names before it is ready."""
    manager.register(process)
    manager.start()
    wait_for_line(manager, process.id, "ready")
    words = [line.content.split() for line in manager.logs(process.id, lines=1000)]
    return [int(line[1]) for line in words if len(line) == 2 and line[1].isdigit()]


def alive(pids: list[int]) -> list[int]:
    """Return those of *pids* that run, be it with other threads than the first."""
    return [pid for pid in pids if is_alive(pid) or len(list(Path(f"/proc/{pid}/task").glob("*"))) > 1]


def is_over(status: Status) -> bool:
    """Tell whether a process ended on its own and its tree with it."""
    return status.status in ("exited", "crashed", "failed")


def shell(id: str, text: str, **more: object) -> ProcessConfig:
    """Configure a shell that may call $PYTHON beside the children."""
    options = {"cwd": str(CHILDREN), "env": {"PYTHON": sys.executable}, **more}
    return ProcessConfig(id=id, command="sh", args=("-c", text), **options)


@pytest.mark.parametrize("manner", [(), ("ignore",)])
def test_stop_leaves_none_of_fifty_descendants(manager: Manager, manner: tuple[str, ...]) -> None:
    pids = begin(manager, child("tree", "forks_tree.py", *manner, stop_timeout="500ms"))
    assert len(alive(pids)) == 50
    manager.stop_process("tree", timeout=20)
    assert alive(pids) == []
    assert manager.status("tree").escaped == ()


def test_end_of_the_leader_leaves_none_of_fifty_descendants(manager: Manager) -> None:
    pids = begin(manager, child("tree", "forks_tree.py", "exit", stop_timeout="500ms", restart="on-failure"))
    assert manager.wait_for("tree", is_over, timeout=20).status == "exited"
    assert (len(pids), alive(pids)) == (50, [])


def test_group_of_a_leader_that_died_is_gone_before_the_next_run(manager: Manager, tmp_path: Path) -> None:
    """T-leader-dies: the claim is held by what the leader left."""
    pids = begin(manager, child("dies", "leader_dies.py", max_retries=0))
    assert manager.wait_for("dies", is_over, timeout=10).signal == "SIGKILL"
    assert (len(pids), alive(pids)) == (3, [])
    claim = tmp_path / "claim"
    manager.register(child("leaves", "claims.py", claim, "fork", "crash", max_retries=4))
    assert manager.wait_for("leaves", "failed", timeout=20).run == 5
    assert not claim.with_suffix(".doubled").exists()


TREES = {
    "T-term-ignoring-grandchild": "stubborn_grandchild.py",
    "T-setsid": "setsid_child.py",
    "T-doublefork": "daemonises.py",
    "one whose first thread is over": "first_thread_over.py",
    "one that leaves the group when asked to end": "leaves_group.py",
}


@pytest.mark.parametrize("script", TREES.values(), ids=TREES)
def test_stop_ends_what_left_the_group_or_will_not_end(manager: Manager, script: str) -> None:
    """T-term-ignoring-grandchild, T-setsid, T-doublefork"""
    pids = begin(manager, child("leaves", script, "stay", stop_timeout="300ms"))
    assert len(alive(pids)) == 1
    manager.stop_process("leaves", timeout=10)
    assert alive(pids) == []
    assert manager.status("leaves").escaped == ()


@pytest.mark.parametrize("script", ["stubborn_grandchild.py", "setsid_child.py", "daemonises.py"])
def test_what_an_ended_leader_left_is_ended_first(manager: Manager, script: str) -> None:
    """T-term-ignoring-grandchild, T-setsid, T-doublefork: the daemon is no success of its own."""
    told: list[str] = []
    manager.subscribe(lambda event: told.append(event.kind))
    manner = () if script == "daemonises.py" else ("exit",)
    pids = begin(manager, child("leaves", script, *manner, stop_timeout="300ms", restart="on-failure"))
    assert manager.wait_for("leaves", is_over, timeout=10).status == "exited"
    assert (len(pids), alive(pids)) == (1, [])
    manager.stop()
    assert told == ["registered", "starting", "running", "stopping", "exited", "stopped"]


@pytest.mark.parametrize("manner", [(), ("ignore",)])
@pytest.mark.parametrize("times", [3, pytest.param(20, marks=pytest.mark.soak)])
def test_comet_is_hit(manager: Manager, tmp_path: Path, manner: tuple[str, ...], times: int) -> None:
    """T-comet: it forks and exits for ever, in no look at the process table, and writes its pid as it flies."""
    manager.register(child("marker", "exits_with.py", 1, max_retries=0))
    for n in range(times):
        heartbeat = tmp_path / f"heartbeat{n}"
        begin(manager, child(f"comet{n}", "comet.py", heartbeat, *manner, stop_timeout="300ms"))
        first = until(heartbeat.read_bytes)
        until(lambda path=heartbeat, first=first: path.read_bytes() != first)
        manager.stop_process(f"comet{n}", timeout=10)
        last = heartbeat.read_bytes()
        manager.restart_process("marker", timeout=10)
        manager.wait_for("marker", "failed", timeout=10)
        assert heartbeat.read_bytes() == last


@pytest.mark.parametrize("signal_name", ["SIGTERM", "SIGUSR1"])
def test_each_process_of_a_tree_is_asked_once(manager: Manager, signal_name: str) -> None:
    """One in the group, one in its own session, one daemonised, and the leader."""
    begin(manager, shell(
        "counts", "$PYTHON counts_signals.py & setsid $PYTHON counts_signals.py & "
        "(setsid sh -c '$PYTHON counts_signals.py &') & exec $PYTHON counts_signals.py",
        stop_signal=signal_name, stop_timeout="700ms",
    ))
    until(lambda: [line.content for line in manager.logs("counts")] == ["ready"] * 4)
    manager.stop_process("counts", timeout=10)
    lines = [line.content for line in manager.logs("counts")]
    assert lines.count(signal_name) == 4
    assert set(lines) == {"ready", signal_name, "SIGCONT"}


def test_stopped_members_are_woken_to_end(manager: Manager) -> None:
    """SIGKILL would come too late."""
    begin(manager, shell(
        "asleep", "$PYTHON stops_itself.py & setsid $PYTHON stops_itself.py & exec $PYTHON waits.py",
        stop_timeout="20s",
    ))
    until(lambda: [line.content for line in manager.logs("asleep")] == ["ready"] * 3, 30)
    manager.stop_process("asleep", timeout=10)
    assert [line.content for line in manager.logs("asleep")].count("bye") == 2
