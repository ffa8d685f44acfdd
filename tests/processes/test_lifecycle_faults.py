"""Lifecycle faults on real children: stops, starts and restarts at every moment, crashes, and giving up."""
from __future__ import annotations

import os
import random
import shutil
import signal
import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest
from support import child, until, wait_for_line

from processman import AlreadyRunning, Manager, Overruled, ProcessConfig, ProcessmanError, Status


def is_gone(pid: int | None) -> bool:
    """Tell whether nobody has *pid* any more, not even a zombie."""
    try:
        os.kill(pid or 0, 0)
    except ProcessLookupError:
        return True
    return False


def begin(manager: Manager, *processes: ProcessConfig) -> None:
    """Start *manager* with *processes*, and wait until each has said that it is ready."""
    for process in processes:
        manager.register(process)
    manager.start()
    for process in processes:
        wait_for_line(manager, process.id, "ready")
        manager.wait_for(process.id, lambda s: s.status not in ("stopped", "starting"), timeout=10)  # a bit later


def run_retries(manager: Manager) -> None:
    """Run something that is retried twice: a marker after which whatever restarts by itself has done so."""
    manager.register(child("marker", "exits_with.py", 1, max_retries=2))
    assert manager.wait_for("marker", "failed", timeout=10).run == 3


def hurl(times: int, act: Callable[[], None]) -> list[BaseException | None]:
    """Call *act* from many threads at once; return what each call raised."""
    together, raised = threading.Barrier(times), list[BaseException | None]()

    def call() -> None:
        together.wait()
        try:
            act()
        except ProcessmanError as error:
            raised.append(error)
        else:
            raised.append(None)

    threads = [threading.Thread(target=call) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return raised


def test_stop_reaps_and_nothing_comes_again(manager: Manager) -> None:
    """L-stop"""
    begin(manager, child("waits", "waits.py", max_retries=-1))
    pid = manager.status("waits").pid
    manager.stop_process("waits", timeout=10)
    assert is_gone(pid)
    run_retries(manager)
    status = manager.status("waits")
    assert (status.status, status.run, status.signal, status.pid) == ("stopped", 1, "SIGTERM", None)


@pytest.mark.parametrize("rounds", [10, pytest.param(200, marks=pytest.mark.soak)])
def test_stop_wins_whenever_the_process_ends_by_itself(manager: Manager, rounds: int) -> None:
    """L-stop-exit-race: ten processes that end on their own within the time it takes to stop them."""
    told: dict[str, list[str]] = {}
    manager.subscribe(lambda event: told.setdefault(event.process_id, []).append(event.kind))
    for n in range(10):
        manager.register(ProcessConfig(
            id=f"s{n}", command="sleep", args=(f"0.0{n}",), max_retries=-1, backoff="1ms", autostart=False,
        ))
    manager.start()
    ids = list(manager.ids)
    for _ in range(rounds):
        random.shuffle(ids)
        for id in ids:
            manager.start_process(id, wait=False)
        for id in ids:
            manager.stop_process(id, timeout=10)
            assert (manager.status(id).status, manager.status(id).pid) == ("stopped", None)
    manager.stop()
    follows = {pair for kinds in told.values() for pair in pairwise(kinds)}
    assert {after for before, after in follows if before == "stopping"} == {"stopped"}
    assert {after for before, after in follows if before == "stopped"} == {"starting"}
    assert sum(kinds.count("stopped") for kinds in told.values()) == 10 * rounds


def test_stop_during_backoff_is_immediate(manager: Manager) -> None:
    """L-stop-backoff: the retry would come after an hour."""
    begin(manager, child("fails", "exits_with.py", 1, backoff="1h"))
    manager.wait_for("fails", "crashed", timeout=10)
    manager.stop_process("fails", timeout=10)
    run_retries(manager)
    status = manager.status("fails")
    assert (status.status, status.run, status.next_retry_at) == ("stopped", 1, None)


def test_restart_during_backoff_is_immediate_and_forgives(manager: Manager) -> None:
    """L-restart-backoff: with one retry allowed it may fail twice after each restart."""
    begin(manager, child("fails", "exits_with.py", 1, backoff="1h", max_retries=1))
    for run in (1, 2, 3):
        status = manager.wait_for("fails", lambda status: status.status not in ("starting", "running"), timeout=10)
        assert (status.status, status.run) == ("crashed", run)
        manager.restart_process("fails", timeout=10)


def test_many_starts_at_once_make_one(manager: Manager, tmp_path: Path) -> None:
    """L-start-storm"""
    claim = tmp_path / "claim"
    begin(manager, child("one", "claims.py", claim, max_retries=0))
    for run in range(2, 7):
        manager.stop_process("one", timeout=10)
        raised = hurl(32, lambda: manager.start_process("one", timeout=10))
        assert sorted(type(error).__name__ for error in raised) == ["AlreadyRunning"] * 31 + ["NoneType"]
        assert (manager.status("one").run, manager.status("one").status) == (run, "running")
        with pytest.raises(AlreadyRunning):
            manager.start_process("one")
    assert not claim.with_suffix(".doubled").exists()


def test_ignored_sigterm_is_followed_by_sigkill(manager: Manager) -> None:
    """L-term-ignored"""
    begin(manager, child("stubborn", "ignores_term.py", stop_timeout="200ms"))
    pid = manager.status("stubborn").pid
    manager.stop_process("stubborn", timeout=10)
    status = manager.status("stubborn")
    assert (status.status, status.signal, status.escaped) == ("stopped", "SIGKILL", ())
    assert is_gone(pid)


@pytest.mark.parametrize(("manner", "signal_name", "code"), [((), None, 0), (("plain",), "SIGTERM", None)])
def test_stopped_process_is_woken_to_end(
    manager: Manager, manner: tuple[str, ...], signal_name: str | None, code: int | None
) -> None:
    """L-sigstop: SIGKILL would come too late."""
    begin(manager, child("asleep", "stops_itself.py", *manner, stop_timeout="20s"))
    stat = Path(f"/proc/{manager.status('asleep').pid}/stat")
    until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", what="SIGSTOP")
    manager.stop_process("asleep", timeout=10)
    assert (manager.status("asleep").signal, manager.status("asleep").exit_code) == (signal_name, code)


def test_restarts_by_hand_are_no_failures(manager: Manager) -> None:
    """L-manual-not-failure: 50 of them use up none of the three retries."""
    begin(manager, child("waits", "waits.py", max_retries=3))
    for _ in range(50):
        manager.restart_process("waits", timeout=10)
    assert (manager.status("waits").status, manager.status("waits").restart_count) == ("running", 50)
    for run in (52, 53, 54):
        os.kill(manager.status("waits").pid or 0, signal.SIGKILL)
        manager.wait_for("waits", lambda s, run=run: s.run == run and s.pid is not None, timeout=10)
    os.kill(manager.status("waits").pid or 0, signal.SIGKILL)
    assert manager.wait_for("waits", "failed", timeout=10).run == 54


def test_gives_up_and_can_be_started_again(manager: Manager) -> None:
    """L-giveup"""
    begin(manager, child("fails", "exits_with.py", 1, max_retries=3))
    assert manager.wait_for("fails", "failed", timeout=10).run == 4
    manager.start_process("fails", timeout=10)
    assert manager.wait_for("fails", "failed", timeout=10).run == 8
    assert manager.status("fails").restart_count == 7


def test_start_while_stopping_waits_for_the_end_of_the_old_run(manager: Manager) -> None:
    """L-stop-then-start"""
    begin(manager, child("slow", "slow_stop.py", 0.3))
    stopping: list[BaseException | None] = []
    stop = threading.Thread(target=lambda: stopping.extend(hurl(1, lambda: manager.stop_process("slow"))))
    stop.start()
    wait_for_line(manager, "slow", "stopping")
    manager.start_process("slow", timeout=10)
    stop.join(10)
    assert [type(error) for error in stopping] == [Overruled]
    until(lambda: [line.content for line in manager.logs("slow")] == ["ready", "stopping", "bye", "ready"])
    assert [line.run for line in manager.logs("slow")] == [1, 1, 1, 2]
    assert manager.status("slow").status == "running"


def test_automatic_spawns_keep_a_distance(manager: Manager) -> None:
    """L-storm-floor: whatever backoff says, 100 ms."""
    began = []
    manager.subscribe(lambda event: began.append(event.timestamp) if event.kind == "starting" else None)
    manager.register(ProcessConfig(id="true", command="true", max_retries=6, backoff="1ns"))
    manager.start()
    assert manager.wait_for("true", "failed", timeout=10).run == 7
    manager.stop()
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(began)]
    assert len(gaps) == 6
    assert median(gaps) > 0.095  # an event may be late, and its clock is another one


def test_healthy_run_is_followed_at_once_and_forgives(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    """L-healthy-reset: the only retry is never used up, and its hour never waited for."""
    monkeypatch.setattr("processman.restart.HEALTHY", 0.1)
    manager.register(child("healthy", "exits_with.py", 1, 0.3, max_retries=1, backoff="1h"))
    manager.start()
    status = manager.wait_for("healthy", lambda status: status.run == 4, timeout=10)
    assert status.last_error == "exit code 1"


def test_killed_from_outside_is_told_and_restarted(manager: Manager) -> None:
    """R-oomkill"""
    begin(manager, child("victim", "waits.py", max_retries=-1))
    for run in range(1, 10):
        os.kill(manager.status("victim").pid or 0, signal.SIGKILL)
        status = manager.wait_for("victim", lambda s, run=run: s.run > run and s.pid is not None, timeout=10)
        facts = (status.run, status.signal, status.exit_code, status.last_error)
        assert facts == (run + 1, "SIGKILL", None, "killed by SIGKILL")


def test_directory_that_vanishes_is_named_and_comes_back(manager: Manager, tmp_path: Path) -> None:
    """R-cwd-vanishes"""
    home = tmp_path / "home"
    home.mkdir()
    begin(manager, child("homeless", "waits.py", cwd=str(home), max_retries=-1, backoff="50ms"))
    shutil.rmtree(home)
    os.kill(manager.status("homeless").pid or 0, signal.SIGKILL)

    def refused(status: Status) -> bool:
        return status.status == "crashed" and status.run > 1

    assert f"'{home}'" in manager.wait_for("homeless", refused, timeout=10).last_error
    home.mkdir()
    manager.wait_for("homeless", "running", timeout=20)


def test_saving_retries_what_fails_and_leaves_what_is_stopped(manager: Manager, tmp_path: Path) -> None:
    """W-while-stopped"""
    source = tmp_path / "source" / "agent.txt"
    source.parent.mkdir()
    dev = {"dev_mode": True, "watch_paths": (str(source.parent),)}
    begin(
        manager, child("stopped", "waits.py", **dev), child("running", "waits.py", **dev),
        child("backoff", "exits_with.py", 1, backoff="1h", **dev),
        child("failed", "exits_with.py", 1, max_retries=0, **dev),
    )
    manager.stop_process("stopped", timeout=10)
    manager.wait_for("backoff", "crashed", timeout=10)
    manager.wait_for("failed", "failed", timeout=10)
    source.write_text("saved")
    for id in ("running", "backoff", "failed"):
        manager.wait_for(id, lambda status: status.run == 2, timeout=10)
    assert (manager.status("stopped").status, manager.status("stopped").run) == ("stopped", 1)
    manager.wait_for("running", "running", timeout=10)
