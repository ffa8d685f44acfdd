"""Measure how the lead moves on between workers, and what a follower adds: ``python benchmarks/ownership.py``.

Workers are processes of their own. The owner is killed, and a follower asks for a status until it has one.
"""
from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from processman import Config, Manager, ProcessConfig, errors


# -- a worker -------------------------------------------------------------------
def work(directory: str, count: int) -> None:
    manager = Manager(Config(data_dir=directory, config_file=None, engine="keeper", run_dir=f"{directory}/run"))
    for number in range(count):
        manager.register(ProcessConfig(id=f"p{number}", command="/bin/sleep", args=["1000"], cwd="/"))
    manager.start()
    print(json.dumps(manager.role), flush=True)
    asked = {"role": lambda: manager.role, "answered": lambda: answered(manager), "list": lambda: listing(manager)}
    for line in sys.stdin:
        print(json.dumps(asked[line.strip()]()), flush=True)


def answered(manager: Manager) -> float:
    """Return the time at which a status could be had."""
    while True:
        with suppress(errors.ChangingHands):
            manager.status("p0")
            return time.monotonic()


def listing(manager: Manager, rounds: int = 200) -> float:
    """Return the seconds that a list takes."""
    taken = []
    for _ in range(rounds):
        begun = time.perf_counter()
        manager.list()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


# -- all of them ----------------------------------------------------------------
class Worker:
    def __init__(self, directory: str, count: int) -> None:
        self.host = subprocess.Popen(
            [sys.executable, __file__, "--worker", directory, str(count)], text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )
        self.answer()

    def ask(self, what: str) -> None:
        self.host.stdin.write(f"{what}\n")  # type: ignore[union-attr]

    def answer(self) -> Any:
        return json.loads(self.host.stdout.readline())  # type: ignore[union-attr]

    def __call__(self, what: str) -> Any:
        self.ask(what)
        return self.answer()


@contextmanager
def workers(number: int, count: int) -> Iterator[list[Worker]]:
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        os.mkdir(f"{directory}/run", 0o700)
        made = [Worker(directory, count) for _ in range(number)]
        try:
            yield made
        finally:
            for worker in made:
                worker.host.kill()
                worker.host.communicate()
            while list(Path(directory, "run").glob("*.sock")):
                time.sleep(0.05)


def hand_over(kills: int, count: int) -> list[float]:
    """Return the seconds from each kill of an owner until a follower has an answer."""
    taken = []
    with workers(3, count) as team:
        directory = team[0].host.args[-2]
        asking = team.pop(1)
        for _ in range(kills):
            (owner,) = [worker for worker in team if worker("role") == "owner"]
            team.remove(owner)
            begun = time.monotonic()
            owner.host.send_signal(signal.SIGKILL)
            taken.append(asking("answered") - begun)
            owner.host.communicate()
            team.append(Worker(directory, count))
        team.append(asking)  # to be ended with the others
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="how often the owner is killed (default 50)")
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options.worker[0], int(options.worker[1]))
        return
    for count in (1, 100):
        taken = sorted(1e3 * each for each in hand_over(options.kills, count))
        print(f"the lead moves, {count:>3} processes: {statistics.median(taken):.0f} ms, "
              f"{taken[0]:.0f} to {taken[-1]:.0f} (median of {options.kills} kills)", flush=True)
    with workers(2, 100) as (owner, follower):
        pairs = [(owner("list"), follower("list")) for _ in range(5)]
    ours, theirs = (1e3 * statistics.median(side) for side in zip(*pairs, strict=True))
    print(f"list of 100: owner {ours:.2f} ms, follower {theirs:.2f} ms")


if __name__ == "__main__":
    main()
