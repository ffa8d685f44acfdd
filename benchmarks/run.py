"""Measure processman against the least that a Python parent can do: ``python benchmarks/run.py``.

Both run side by side, in turn, in this one process. Only the ratios mean something on another machine.
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
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from werkzeug.test import Client

from processman import Config, Manager, ProcessConfig
from processman.wsgi import create_app

SLEEP = ["/bin/sleep", "1000"]
#: 100-byte lines, written by 64 KiB
WRITE = """
import os, sys
block = b"".join(b"%010d %s\\n" % (i, b"x" * 88) for i in range(655))
for _ in range(int(sys.argv[1]) // 655):
    os.write(1, block)
"""


@contextmanager
def manager(*processes: ProcessConfig) -> Iterator[Manager]:
    with tempfile.TemporaryDirectory() as directory:
        one = Manager(Config(data_dir=directory, config_file=None))
        for process in processes:
            one.register(process)
        try:
            yield one
        finally:
            one.stop()


def sleepers(count: int) -> list[ProcessConfig]:
    return [
        ProcessConfig(id=f"p{n}", command=SLEEP[0], args=SLEEP[1:], cwd="/", backoff="1us", max_retries=-1)
        for n in range(count)
    ]


def seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


# -- crash to restart -----------------------------------------------------------
def bare_restart(rounds: int) -> list[float]:
    """Block in waitpid, spawn again at once."""
    spawn = lambda: os.posix_spawn(SLEEP[0], SLEEP, os.environ)  # noqa: E731
    pid, times = spawn(), []
    for _ in range(rounds):
        time.sleep(0.15)
        begun = time.perf_counter()
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        pid = spawn()
        times.append(time.perf_counter() - begun)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return times


def managed_restart(rounds: int) -> list[float]:
    times = []
    with manager(*sleepers(8)) as one:
        one.start()
        for number in range(rounds):
            name = f"p{number % 8}"
            before = one.wait_for(name, "running", timeout=10)
            time.sleep(0.15)
            begun = time.perf_counter()
            os.kill(before.pid, signal.SIGKILL)
            one.wait_for(name, lambda now, run=before.run: now.run > run and now.status == "running", timeout=10)
            times.append(time.perf_counter() - begun)
    return times


# -- start and stop of many ------------------------------------------------------
def bare_many(count: int) -> tuple[float, float]:
    pids: list[int] = []
    started = seconds(lambda: pids.extend(os.posix_spawn(SLEEP[0], SLEEP, os.environ) for _ in range(count)))

    def stop() -> None:
        for pid in pids:
            os.kill(pid, signal.SIGTERM)
        for pid in pids:
            os.waitpid(pid, 0)

    return started, seconds(stop)


def managed_many(count: int) -> tuple[float, float]:
    with manager(*sleepers(count)) as one:
        def start() -> None:
            one.start()
            for name in one.ids:
                one.wait_for(name, "running", timeout=60)

        return seconds(start), seconds(one.stop)


# -- lines per second ------------------------------------------------------------
def bare_lines(count: int) -> float:
    """Read by 64 KiB, and forget."""
    def work() -> None:
        child = subprocess.Popen([sys.executable, "-c", WRITE, str(count)], stdout=subprocess.PIPE)
        reader = threading.Thread(target=lambda: all(iter(lambda: os.read(child.stdout.fileno(), 65536), b"")))
        reader.start()
        reader.join()
        child.wait()
        child.stdout.close()

    return count / seconds(work)


def managed_lines(count: int) -> float:
    writer = ProcessConfig(id="w", command=sys.executable, args=["-c", WRITE, str(count)], restart="never")
    with manager(writer) as one:
        one.start()
        taken = seconds(lambda: one.wait_for("w", "exited", timeout=120))
        kept = one.logs("w", lines=1)[-1].seq
    if kept != count // 655 * 655:
        raise SystemExit(f"lines were lost: {kept} of {count // 655 * 655}")
    return count / taken


# -- the list of 100 ---------------------------------------------------------------
def bare_list(rounds: int) -> list[float]:
    """Make JSON of as much, known already."""
    entry = {f"key{n}": "some value or other" for n in range(30)}
    return [seconds(lambda: json.dumps([entry] * 100)) for _ in range(rounds)]


def managed_list(rounds: int) -> list[float]:
    with manager(*sleepers(100)) as one:
        one.start()
        for name in one.ids:
            one.wait_for(name, "running", timeout=60)
        client = Client(create_app(one, auth=lambda _: True))
        return [seconds(lambda: client.get("/list")) for _ in range(rounds)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often each measure is taken (default 3)")
    parser.add_argument("--quick", action="store_true", help="small figures, to see that it works")
    options = parser.parse_args()
    kills, many, lines = (8, 20, 65_500) if options.quick else (40, 200, 2_000_000)
    found: dict[str, tuple[list[float], list[float], str, float]] = {
        "crash to restart": ([], [], "ms", 1e3),
        f"start of {many}": ([], [], "s", 1),
        f"stop of {many}": ([], [], "s", 1),
        "lines, one child": ([], [], "M/s", 1e-6),
        "list of 100 over WSGI": ([], [], "ms", 1e3),
    }
    restart, start, stop, output, listing = found.values()
    for _ in range(1 if options.quick else options.rounds):
        restart[0].extend(bare_restart(kills))
        restart[1].extend(managed_restart(kills))
        for side, many_of in enumerate((bare_many, managed_many)):
            started, stopped = many_of(many)
            start[side].append(started)
            stop[side].append(stopped)
        output[0].append(bare_lines(lines))
        output[1].append(managed_lines(lines))
        listing[0].extend(bare_list(50))
        listing[1].extend(managed_list(50))
    print(f"{'measure':<24}{'bare Python':>14}{'processman':>14}{'ratio':>8}")
    for name, (bare, managed, unit, scale) in found.items():
        least, ours = statistics.median(bare), statistics.median(managed)
        print(f"{name:<24}{least * scale:>9.2f} {unit:<4}{ours * scale:>9.2f} {unit:<4}{ours / least:>7.2f}x")


if __name__ == "__main__":
    main()
