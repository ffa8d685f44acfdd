"""Measure what the way through PocketBase adds to a list: ``python benchmarks/proxied.py``.

The same list is asked of the manager and of PocketBase, in turns, over two connections that stay open.
"""
from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path

EMAIL, PASSWORD, ADDRESS = "root@example.com", "1234567890", "127.0.0.1:18790"


@contextmanager
def served(count: int) -> Iterator[tuple[dict[str, str], str]]:
    """Run a PocketBase with *count* processes; yield the state of its manager, and a superuser's token."""
    binary = shutil.which("pocketbase", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}") or "pocketbase"
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        data = Path(folder, "pb_data")
        data.mkdir()
        sleeps = [{"id": f"p{each}", "command": "sleep", "args": ["1000"], "cwd": "."} for each in range(count)]
        (data / "pb_processes.json").write_text(json.dumps(sleeps))
        for command in ([sys.executable, "-m", "processman", "pocketbase", "install"],
                        [binary, "superuser", "upsert", EMAIL, PASSWORD, "--dir", "pb_data"]):
            subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, check=True)
        server = subprocess.Popen([binary, "serve", "--http", ADDRESS, "--dir", "pb_data"], cwd=folder,
                                  stdout=subprocess.DEVNULL)
        try:
            yield state(data), token()
        finally:
            server.terminate()
            server.wait()


def state(data: Path) -> dict[str, str]:
    while True:
        with suppress(FileNotFoundError):
            return json.loads((data / ".processman" / "state.json").read_text())
        time.sleep(0.05)


def token() -> str:
    connection = HTTPConnection(ADDRESS)
    connection.request("POST", "/api/collections/_superusers/auth-with-password",
                       json.dumps({"identity": EMAIL, "password": PASSWORD}), {"Content-Type": "application/json"})
    return json.loads(connection.getresponse().read())["token"]


def asking(address: str, authorization: str) -> Callable[[], float]:
    connection = HTTPConnection(address)

    def ask() -> float:
        begun = time.perf_counter()
        connection.request("GET", "/api/pm/list", headers={"Authorization": authorization})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
        return 1e3 * (time.perf_counter() - begun)

    return ask


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1000)
    requests = parser.parse_args().requests
    for count in (1, 20, 100):
        with served(count) as (known, superuser):
            secret = Path(known["tokenFile"]).read_text().strip()
            direct = asking(known["address"].split("/")[2], f"Bearer {secret}")
            proxied = asking(ADDRESS, superuser)
            pairs = [(direct(), proxied()) for _ in range(requests)][requests // 10:]
        told = [f"{statistics.median(side):.2f} ms, p99 {sorted(side)[len(side) * 99 // 100]:.1f}"
                for side in zip(*pairs, strict=True)]
        print(f"list of {count:>3}: direct {told[0]}; through PocketBase {told[1]}", flush=True)


if __name__ == "__main__":
    main()
