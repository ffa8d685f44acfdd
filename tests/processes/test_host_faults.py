"""Hosts that ignore signals, reap what is not theirs, or end in every way."""
from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes.host import begin, finish, is_alive, told
from support import child, until, wait_for_line

from processman import Manager, ProcessConfig

HANDLED = (
    signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM,
)
UNKNOWN = "exit status unknown: it was taken by the host process"


def test_an_exit_is_unknown_and_a_failure_where_the_host_ignores_sigchld(tmp_path: Path) -> None:
    """H-sigchld-ign"""
    *ended, waiting = told(tmp_path, "ignores_sigchld.py")
    assert ended == [
        {"id": id, "code": None, "signal": None, "run": 3, "error": UNKNOWN} for id in ("exits", "succeeds", "dies")
    ]
    assert waiting == {"id": "waits", "status": "stopped"}


def check_no_wrong_status(directory: Path, rounds: int) -> None:
    kinds, host = told(directory, "reaps_any_child.py", rounds)
    right: dict[str, list[object]] = {"exits": [3, None], "dies": [None, "SIGTERM"], "succeeds": [0, None]}
    assert kinds["runs"] == dict.fromkeys(right, rounds)
    for id, ends in kinds["ends"].items():
        assert [end for end in ends if end not in ([None, None], right[id])] == []
    assert (host["retried"], host["taken"] > 0) == (3, True)


def test_a_status_is_right_or_unknown_where_the_host_reaps_any_child(tmp_path: Path) -> None:
    """H-waitpid-all"""
    check_no_wrong_status(tmp_path, 15)


@pytest.mark.soak
def test_200_statuses_are_right_or_unknown_where_the_host_reaps_any_child(tmp_path: Path) -> None:
    """H-waitpid-all"""
    check_no_wrong_status(tmp_path, 200)


@pytest.mark.parametrize(("manner", "number", "code", "complaint"), [
    ("return", None, 0, ""),
    ("follow", None, 0, ""),
    ("stop", None, 0, ""),
    ("exit", None, 3, ""),
    ("raise", None, 1, "RuntimeError: the host's own"),
    ("wait", signal.SIGINT, -signal.SIGINT, "KeyboardInterrupt"),
    ("run", signal.SIGINT, 0, ""),
    ("run", signal.SIGTERM, 0, ""),
    ("run", signal.SIGHUP, 0, ""),
])  # fmt: skip
def test_nothing_is_left_however_the_host_ends(
    tmp_path: Path, manner: str, number: int | None, code: int, complaint: str
) -> None:
    """H-exit-paths"""
    host = begin(tmp_path, "ends.py", manner)
    assert host.stdout is not None
    first = host.stdout.readline()
    if number is not None:
        host.send_signal(number)
    ended, _, err = finish(host)
    assert (ended, err.count("Traceback")) == (code, 1 if complaint else 0), err
    assert err.strip().endswith(complaint)
    assert complaint or not err
    assert [pid for pid in json.loads(first)["pids"] if is_alive(pid)] == []


@pytest.fixture
def handlers() -> Iterator[None]:
    """Put all handlers and the mask of this thread back at the end."""
    before = {number: signal.getsignal(number) for number in HANDLED}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    for number, handler in before.items():
        signal.signal(number, handler)


def born_with(manager: Manager) -> tuple[set[str], dict[str, str]]:
    """Run a child of this host; return what /proc says of its signals, and its environment."""
    # sh leaves inherited dispositions alone; Python would report what it has set up itself
    manager.register(ProcessConfig(
        id="p", command="/bin/sh", cwd="/", max_retries=0,
        args=["-c", "grep -E 'SigBlk|SigIgn' /proc/self/status; env; echo ready; exec sleep 600"],
    ))
    manager.start()
    wait_for_line(manager, "p", "ready")
    lines = [line.content for line in manager.logs("p")]
    return set(lines[:2]), dict(line.split("=", 1) for line in lines[2:] if "=" in line)


NOTHING = {f"{name}:\t{0:016x}" for name in ("SigBlk", "SigIgn")}


@pytest.mark.parametrize("host", ["neither", "blocks", "ignores"])
def test_a_child_is_born_with_no_signal_blocked_or_ignored(
    manager: Manager, handlers: None, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    """H-sigmask"""
    for name in ("LANG", "LC_ALL", "LC_CTYPE"):
        monkeypatch.delenv(name, raising=False)
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
    if host == "blocks":
        signal.pthread_sigmask(signal.SIG_BLOCK, {*numbers, signal.SIGCHLD})
    elif host == "ignores":
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
    signals, environment = born_with(manager)
    assert signals == NOTHING
    ours = {name for name in environment if name.startswith(("PROCESSMAN_", "PB_"))}
    assert set(environment) - ours <= {*os.environ, "PYTHONUNBUFFERED", "PWD", "OLDPWD", "SHLVL", "_"}
    manager.stop_process("p")
    assert manager.status("p").signal == "SIGTERM"


def test_a_child_is_born_with_no_signal_ignored_where_sigchld_is(manager: Manager, handlers: None) -> None:
    """H-sigmask"""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    assert born_with(manager)[0] == NOTHING
    manager.stop()
    assert manager.status("p").status == "stopped"


def test_a_child_outlives_the_thread_that_started_it(manager: Manager) -> None:
    """H-thread-ends"""
    manager.register(child("first", "waits.py"))

    def start() -> None:
        manager.start()
        manager.register(child("second", "waits.py"))
        manager.restart_process("first")

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    for id in ("first", "second"):
        wait_for_line(manager, id, "ready")
    pids = [status.pid for status in manager.list()]
    manager.register(child("marker", "exits_with.py", 0, max_retries=0))
    manager.wait_for("marker", "failed", timeout=10)
    assert [(status.pid, status.status) for status in manager.list()][:2] == [(pid, "running") for pid in pids]


def test_signal_handlers_of_the_host_are_left_alone_and_still_called(manager: Manager, handlers: None) -> None:
    """H-signals-untouched"""
    heard: list[int] = []

    def handler(number: int, frame: object) -> None:
        heard.append(number)

    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    for number in HANDLED:
        signal.signal(number, handler)
    former = signal.set_wakeup_fd(writing)
    try:
        manager.register(child("crashes", "exits_with.py", 1, max_retries=1))
        manager.register(child("waits", "waits.py"))
        manager.start()
        manager.wait_for("crashes", "failed", timeout=10)
        manager.restart_process("waits")
        assert all(signal.getsignal(number) is handler for number in HANDLED)
        for number in HANDLED:
            signal.raise_signal(number)
        manager.stop()
    finally:
        mine = signal.set_wakeup_fd(former)
        os.close(reading)
        os.close(writing)
    assert mine == writing
    assert set(heard) == set(HANDLED)  # SIGCHLD of our children among them
    assert all(signal.getsignal(number) is handler for number in HANDLED)


def test_run_puts_the_handlers_of_the_host_back(manager: Manager, handlers: None) -> None:
    """H-signals-untouched"""
    def handler(number: int, frame: object) -> None:
        pytest.fail("the host's handler was called while run() had its own")

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, handler)
    manager.register(child("waits", "waits.py"))

    def interrupt() -> None:
        until(lambda: manager.started)
        wait_for_line(manager, "waits", "ready")
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=interrupt)
    thread.start()
    manager.run()
    thread.join()
    assert manager.status("waits").status == "stopped"
    assert signal.getsignal(signal.SIGTERM) is handler
    assert sys.exc_info() == (None, None, None)
