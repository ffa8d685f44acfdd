"""Clocks that are turned, and a host that hardly gets any time."""
from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from processes.host import told

DAY = 86_400


@pytest.mark.parametrize("by", [DAY, -DAY, "=0", "=4102444800"], ids=["on", "back", "1970", "2100"])
def test_no_wall_clock_hurries_or_delays_anything(tmp_path: Path, by: object) -> None:
    """C-jump"""
    facts = {each["when"]: each for each in told(tmp_path, "turns_clock.py", by)}
    assert {when: (each["status"], each["run"]) for when, each in facts.items()} == {
        "running": ("running", 1), "crashed": ("running", 2), "stopping": ("stopped", 1),
        "restarted": ("running", 3), "back": ("running", 3),
    }
    assert facts["crashed"]["took"] >= 0.4  # the backoff
    assert facts["stopping"]["took"] >= 0.7  # the grace
    assert facts["stopping"]["signal"] == "SIGKILL"
    assert all(each["uptime"] is None or 0 <= each["uptime"] < 60 for each in facts.values())
    # as the clock of the host says, or as it would without the turn
    turn = facts["crashed"]["now"]
    assert all(min(abs(each["started"]), abs(each["started"] - turn)) < 60 for each in facts.values())


@contextmanager
def hogs(number: int) -> Iterator[None]:
    """Run programs that take all the time they can get."""
    running = [subprocess.Popen(["/bin/sh", "-c", "while :; do :; done"]) for _ in range(number)]
    try:
        yield
    finally:
        for hog in running:
            hog.kill()
            hog.wait()


def test_a_starved_host_takes_nothing_for_failed_and_stops_in_time(tmp_path: Path) -> None:
    """C-slow"""
    with hogs(4):
        (facts,) = told(tmp_path, "starved.py")
    assert facts["running"] == {id: ["running", 1, ""] for id in ("waits", "ignores", "slow")}
    assert set(facts["ends"].values()) == {"stopped"}
    assert 0.5 <= facts["took"] < 20
