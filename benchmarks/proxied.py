"""Measure what the way through PocketBase adds to a list: ``python benchmarks/proxied.py``.

The same list is asked of the manager and of PocketBase, in turns, over two connections that stay open.
"""
from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from pocketbase_project import Project  # noqa: E402


@contextmanager
def served(count: int) -> Iterator[Project]:
    """Run a PocketBase with our hook, and *count* processes."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        project = Project(Path(folder, "site"))
        project.install()
        sleeps = [{"id": f"p{each}", "command": "sleep", "args": ["1000"], "cwd": "."} for each in range(count)]
        project.write(*sleeps)
        try:
            project.start()
            yield project
        finally:
            project.end()


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
        with served(count) as project:
            known = project.state()
            secret = Path(known["tokenFile"]).read_text().strip()
            direct = asking(known["address"].split("/")[2], f"Bearer {secret}")
            proxied = asking(f"127.0.0.1:{project.port}", project.superuser())
            pairs = [(direct(), proxied()) for _ in range(requests)][requests // 10:]
        told = [f"{statistics.median(side):.2f} ms, p99 {sorted(side)[len(side) * 99 // 100]:.1f}"
                for side in zip(*pairs, strict=True)]
        print(f"list of {count:>3}: direct {told[0]}; through PocketBase {told[1]}", flush=True)


if __name__ == "__main__":
    main()
