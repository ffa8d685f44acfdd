"""Many threads, children of every kind, thousands of crashes: short here, long with ``-m soak``."""
from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from leaks import Snapshot
from support import child, wait_for_line

from processman import (
    AlreadyRunning,
    DuplicateProcess,
    Event,
    Manager,
    NotStarted,
    Overruled,
    ProcessConfig,
    ProcessNotFound,
    StartFailed,
)

#: what is right to answer to somebody whom others overrule all the time
ANSWERS = (AlreadyRunning, DuplicateProcess, NotStarted, Overruled, ProcessNotFound, StartFailed)


def kinds(claims: Path) -> list[ProcessConfig]:
    """Return one process of each kind; where it can, it claims a file, so that a second copy is seen."""
    quick = {"stop_timeout": "100ms", "max_retries": -1}
    return [
        child("plain", "claims.py", claims / "plain", **quick),
        child("stubborn", "claims.py", claims / "stubborn", "ignore", **quick),
        child("forks", "claims.py", claims / "forks", "fork", "ignore", **quick),
        child("crashes", "claims.py", claims / "crashes", "crash", **quick),
        child("leaves", "claims.py", claims / "leaves", "fork", "crash", **quick),
        child("floods", "floods.py", **quick),
        child("missing", "no_such_script.py", **quick),
    ]


class Meddler(threading.Thread):
    """Asks for anything at random until it is told to end; keeps what it must not be answered."""

    def __init__(self, manager: Manager, configs: list[ProcessConfig], end: threading.Event, seed: int) -> None:
        super().__init__(daemon=True)
        self.random = random.Random(seed)
        self.manager, self.configs, self.end = manager, configs, end
        self.asked: Counter[str] = Counter()
        self.wrong: list[BaseException] = []

    def run(self) -> None:
        """Ask, and ask again."""
        while not self.end.is_set():
            config, wait = self.random.choice(self.configs), self.random.random() < 0.5
            name = self.random.choices(("start", "stop", "restart", "register", "remove"), (5, 5, 5, 2, 1))[0]
            try:
                self.ask(name, config, wait=wait)
            except ANSWERS:
                pass
            except Exception as error:
                self.wrong.append(error)
            self.asked[name] += 1


    def ask(self, name: str, config: ProcessConfig, *, wait: bool) -> None:
        """Ask for one thing."""
        if name == "register":
            self.manager.register(config)
        elif name == "remove":
            self.manager.remove(config.id)
        else:
            getattr(self.manager, f"{name}_process")(config.id, wait=wait, timeout=30)


@pytest.mark.parametrize("seconds", [4, pytest.param(60, marks=pytest.mark.soak)])
def test_nothing_that_is_asked_makes_two_copies(manager: Manager, tmp_path: Path, seconds: float) -> None:
    """L-mixed: in the end every process is as was asked last."""
    configs = kinds(tmp_path)
    told: Counter[str] = Counter()
    manager.subscribe(lambda event: told.update([event.kind]))
    for config in configs:
        manager.register(config)
    manager.start()
    end = threading.Event()
    meddlers = [Meddler(manager, configs, end, seed) for seed in range(8)]
    for meddler in meddlers:
        meddler.start()
    end.wait(seconds)
    end.set()
    for meddler in meddlers:
        meddler.join(60)
    assert not [meddler for meddler in meddlers if meddler.is_alive()]
    assert [error for meddler in meddlers for error in meddler.wrong] == []
    for config in configs:
        if config.id not in manager:
            manager.register(config)
        manager.stop_process(config.id, timeout=30)
    assert {status.status: status.escaped for status in manager.list()} == {"stopped": ()}
    for config in configs:
        if config.id == "missing":
            with pytest.raises(StartFailed):
                manager.start_process(config.id, timeout=30)
        else:
            manager.start_process(config.id, timeout=30)
    for id in ("plain", "stubborn", "forks"):
        manager.wait_for(id, "running", timeout=30)
        wait_for_line(manager, id, "ready", timeout=30)
    assert [path.name for path in tmp_path.glob("*.doubled")] == []
    asked = sum((meddler.asked for meddler in meddlers), Counter())
    print(f"\n{asked.total()} asked in {seconds} s: {dict(asked)}; {dict(told)}")  # noqa: T201


TALKS = "echo run $PROCESSMAN_RUN; echo run $PROCESSMAN_RUN >&2; exit 3"


@pytest.mark.parametrize("cycles", [200, pytest.param(10_000, marks=pytest.mark.soak)])
def test_crashes_leave_nothing_behind_and_lose_no_line(
    manager: Manager, monkeypatch: pytest.MonkeyPatch, cycles: int
) -> None:
    """L-churn: without delays, over four processes; descriptors, threads and zombies stay as they were."""
    monkeypatch.setattr("processman.lifecycle.FLOOR", 0.0)
    monkeypatch.setattr("processman.restart.CAP", 0.0)
    ends: Counter[tuple[object, ...]] = Counter()

    def count(event: Event) -> None:
        if event.kind in ("crashed", "failed"):
            ends[event.status.exit_code, event.status.signal, event.status.last_error] += 1

    manager.subscribe(count)
    manager.start()
    manager.register(ProcessConfig(id="first", command="true", autostart=False))
    manager.remove("first")  # the thread that tells subscribers begins with the first event
    before, began, cpu = Snapshot.take(whole=True), time.monotonic(), time.process_time()
    each = cycles // 4
    for n in range(4):
        manager.register(ProcessConfig(id=f"c{n}", command="sh", args=("-c", TALKS), max_retries=each - 1))
    for id in manager.ids:
        status = manager.wait_for(id, "failed", timeout=180)
        assert status.run == each
        assert manager.logs(id, 1)[0].seq == 2 * each
        assert {line.content for line in manager.logs(id, 2)} == {f"run {each}"}
    took, used = time.monotonic() - began, time.process_time() - cpu
    for id in manager.ids:
        manager.remove(id)
    assert before.left(5) == ()
    rss = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20
    manager.stop()
    assert ends == {(3, None, "exit code 3"): cycles}
    print(f"\n{cycles} crashes in {took:.1f} s, {cycles / took:.0f}/s, CPU {used:.1f} s, RSS {rss} MiB")  # noqa: T201


@pytest.mark.soak
def test_endless_failure_is_retried_gently(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    """L-storm-floor: for a minute, without any backoff."""
    monkeypatch.setattr("processman.restart.CAP", 0.0)
    manager.register(ProcessConfig(id="true", command="true", max_retries=-1, backoff="1ns"))
    manager.start()
    began, cpu = time.monotonic(), time.process_time()
    threading.Event().wait(60)
    run, used, passed = manager.status("true").run, time.process_time() - cpu, time.monotonic() - began
    print(f"\n{run} spawns in {passed:.2f} s, CPU {used:.2f} s")  # noqa: T201
    assert run <= 1 + passed / 0.1
    assert used < 9


@pytest.mark.soak
def test_ten_seconds_are_healthy(manager: Manager) -> None:
    """L-healthy-reset: the only retry is never used up, and its hour never waited for."""
    manager.register(child("healthy", "exits_with.py", 1, 10.5, max_retries=1, backoff="1h"))
    manager.start()
    manager.wait_for("healthy", lambda status: status.run == 4, timeout=60)
