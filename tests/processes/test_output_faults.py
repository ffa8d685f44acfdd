"""Children that write too much, too long, too oddly, or die right after."""
from __future__ import annotations

import logging
import os
from itertools import pairwise
from math import ceil
from pathlib import Path

import pytest
from leaks import Snapshot
from support import child, until, wait_for_line

from processman import LogLine, Manager, ProcessConfig
from processman.lines import LIMIT


def numbers(lines: tuple[LogLine, ...]) -> list[int]:
    return [line.seq for line in lines]


def check_bursts(manager: Manager, rounds: int) -> None:
    """Let a child write and end at once; all of it is there as soon as its end can be seen."""
    sizes = {"64k": 1 << 16, "1m": 1 << 20, "torn": 1 << 16}
    for id, size in sizes.items():
        manager.register(child(id, "burst.py", size, *(["none"] if id == "torn" else ()),
                               restart="never", autostart=False))
    manager.start()
    for number in range(1, rounds + 1):
        for id, size in sizes.items():
            manager.start_process(id)
            assert manager.wait_for(id, "exited", timeout=60).run == number
            lines, count = manager.logs(id, lines=1000), size // 16
            assert lines[-1].seq == number * (count + 1)
            assert [line.content for line in lines] == [f"{nth:015d}" for nth in range(count - 999, count + 1)]
            assert {line.run for line in lines} == {number}
            assert [line.partial for line in lines[-2:]] == [False, id == "torn"]


def test_all_output_is_there_before_an_end_is_visible(manager: Manager) -> None:
    """O-burst-exit"""
    check_bursts(manager, 8)


@pytest.mark.soak
def test_all_output_is_there_before_1000_ends_are_visible(manager: Manager) -> None:
    """O-burst-exit"""
    check_bursts(manager, 1000)


def _memory() -> int:
    """Return how many bytes of us are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def check_long_lines(manager: Manager, size: int, times: int) -> float:
    """Read lines without an end in pieces; return how long the slowest write of the child took."""
    manager.start()
    before = _memory()
    manager.register(child("p", "long_line.py", size, times))
    wait_for_line(manager, "p", "ready", timeout=120)
    slowest = wait_for_line(manager, "p", "slowest write")
    assert _memory() - before <= 8 << 20
    lines = manager.logs("p", lines=1000)
    pieces = [line for line in lines if set(line.content) == {"x"}]
    *cut, last = pieces
    assert {(len(piece.content), piece.partial) for piece in cut} == {(LIMIT, True)}
    assert (len(last.content), last.partial) == ((size * times - 1) % LIMIT + 1, False)
    assert lines[-1].seq == ceil(size * times / LIMIT) + 2
    return float(slowest.content.split()[-1])


def test_a_line_without_an_end_comes_in_pieces(manager: Manager) -> None:
    """O-longline"""
    check_long_lines(manager, 10_000_000, 1)


@pytest.mark.soak
def test_200_megabytes_without_an_end_never_block_the_child(manager: Manager) -> None:
    """O-longline"""
    assert check_long_lines(manager, 10_000_000, 20) < 1.0


def test_a_progress_bar_is_visible_while_it_is_drawn(manager: Manager) -> None:
    """O-cr-progress"""
    manager.register(child("p", "carriage_returns.py", 5, "stay"))
    manager.start()
    bar = until(lambda: [line for line in manager.logs("p") if "step 5 of 5" in line.content])[0]
    assert (bar.content, bar.seq, bar.partial) == ("\r" + "\r".join(f"step {n} of 5" for n in range(1, 6)), 0, True)
    manager.stop_process("p")
    ended, ready = manager.logs("p")
    assert (ended.content, ended.seq, ended.partial) == (bar.content, 1, False)
    assert ready.content == "ready"


def test_a_progress_bar_that_never_ends_is_kept_in_pieces(manager: Manager) -> None:
    """O-cr-progress"""
    steps = 50_000
    manager.register(child("p", "carriage_returns.py", steps, "stay"))
    manager.start()
    until(lambda: manager.logs("p")[-1:] and f"step {steps} of" in manager.logs("p")[-1].content, timeout=60)
    lines = manager.logs("p", lines=1000)
    size = sum(len(f"\rstep {step} of {steps}") for step in range(1, steps + 1))
    assert (len(lines), lines[-1].seq) == (ceil(size / LIMIT), 0)
    assert max(len(line.content) for line in lines) == LIMIT
    assert sum(len(line.content) for line in lines) == size
    assert all(line.partial for line in lines)


def test_only_a_newline_ends_a_line(manager: Manager) -> None:
    """O-separators"""
    manager.register(child("p", "separators.py"))
    manager.start()
    wait_for_line(manager, "p", "ready")
    separators = "\u2028\u2029\u0085\v\f\x1c\x1d\x1e\r"
    assert [line.content for line in manager.logs("p")] == [*(f"a{each}b" for each in separators), "ready"]


def test_no_line_can_forge_a_log_record_or_drive_a_terminal(
    manager: Manager, caplog: pytest.LogCaptureFixture
) -> None:
    """O-ansi"""
    caplog.set_level(logging.INFO, "processman.output")
    for script in ("terminal_codes.py", "separators.py"):
        manager.register(child(script, script))
    manager.start()
    for id in manager:
        wait_for_line(manager, id, "ready")
    until(lambda: sum(record.message.endswith("ready") for record in caplog.records) == 2)
    messages = [record.message for record in caplog.records if record.name.startswith("processman.output.")]
    assert len(messages) == 8 + 10
    assert all(message.isprintable() and len(message.splitlines()) == 1 for message in messages)
    assert r"[terminal_codes.py][STDOUT] \x1b]0;stolen title\x07" in messages
    raw = [record.content for record in caplog.records if getattr(record, "process_id", "") == "terminal_codes.py"]
    assert raw == [line.content for line in manager.logs("terminal_codes.py")]


def test_each_stream_is_in_order_and_every_line_numbered_once(manager: Manager) -> None:
    """O-order"""
    manager.register(child("p", "interleaves.py", 900))
    manager.start()
    until(lambda: sum(line.content == "ready" for line in manager.logs("p", lines=1000)) == 2)
    lines = manager.logs("p", lines=1000)
    assert numbers(lines) == list(range(1, 903))
    assert all(earlier.timestamp <= later.timestamp for earlier, later in pairwise(lines))
    for odd, stream in enumerate(("stdout", "stderr")):
        written = [line.content for line in lines if line.stream == stream]
        assert written == [*(f"line {number}" for number in range(1, 901) if number % 2 == odd), "ready"]


@pytest.mark.parametrize(("env", "kept"), [({}, 11), ({"PYTHONUNBUFFERED": ""}, 0)])
def test_a_python_child_that_is_stopped_keeps_its_last_lines(
    manager: Manager, monkeypatch: pytest.MonkeyPatch, env: dict[str, str], kept: int
) -> None:
    """O-python-buffer"""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    manager.register(child("p", "unflushed.py", env=env))
    manager.start()
    pid = manager.wait_for("p", "running", timeout=10).pid
    until(lambda: _sleeps(pid), what="the child to have printed all that it will")
    until(lambda: len(manager.logs("p")) == kept)
    manager.stop_process("p")
    assert [line.content for line in manager.logs("p")] == [*(f"line {n}" for n in range(1, 11)), "ready"][:kept]


def _sleeps(pid: int | None) -> bool:
    try:
        return Path(f"/proc/{pid}/syscall").read_text().split()[0] in SLEEPS
    except OSError:
        return False


SLEEPS = {"35", "230"} if os.uname().machine == "x86_64" else {"101", "115"}  # nanosleep, clock_nanosleep


@pytest.mark.parametrize("before", ["", "setsid "], ids=["group", "session"])
def test_100_grandchildren_that_keep_the_pipe_leave_nothing(manager: Manager, before: str) -> None:
    """P17 O-grandchild-pipe"""
    text = f"{before}sleep 600 & echo ready"
    manager.register(ProcessConfig(id="p", command="/bin/sh", args=["-c", text], cwd="/", restart="never"))
    manager.start()
    manager.wait_for("p", "exited", timeout=10)
    at_first = Snapshot.take(whole=True)
    for run in range(2, 102):
        manager.start_process("p")
        status = manager.wait_for("p", "exited", timeout=10)
        assert (status.run, status.exit_code, status.escaped) == (run, 0, ())
    assert at_first.left(5.0) == ()
    assert [(line.content, line.run) for line in manager.logs("p", lines=1000)] == [
        ("ready", run) for run in range(1, 102)
    ]


def test_a_child_that_closes_its_output_runs_on_and_is_read_no_longer(manager: Manager) -> None:
    """O-closed-stdout"""
    manager.start()
    before = len(os.listdir("/proc/self/task"))
    manager.register(child("closed", "closes_stdout.py"))
    wait_for_line(manager, "closed", "ready")
    # of its three threads the two readers end with their pipes, so that nothing spins
    until(lambda: len(os.listdir("/proc/self/task")) == before + 1)
    manager.register(child("marker", "exits_with.py", 0, restart="never"))
    manager.wait_for("marker", "exited", timeout=10)
    status = manager.status("closed")
    assert (status.status, status.run) == ("running", 1)
    manager.stop_process("closed", timeout=10)
    assert manager.status("closed").signal == "SIGTERM"
