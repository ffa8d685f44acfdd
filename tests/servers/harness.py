"""A site with two sidecars under a real server: started, asked and watched all the time, and looked for afterwards.

The sidecars write into files what happens to them; what is left is found by the environment, wherever in the
tree it is.
"""
from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from tempfile import mkdtemp
from typing import NamedTuple, TypeVar

import psutil
import pytest
from support import ROOT, TESTDATA, until

T = TypeVar("T")
TOKEN = "a-token-of-enough-bytes"
SIDECARS = ("plain", "stubborn")
MARK = "SITE_UNDER_TEST"
#: seconds that sidecars have to end, and that a machine which is busy may take beyond what is promised
STOP, SLACK = 1.0, 3.0
_ADDRESS = re.compile(r"(?:http://|address )127\.0\.0\.1:([1-9]\d*)")
_FOREIGN = ("PYTEST", "FLASK", "DJANGO", "PROCESSMAN", "WERKZEUG", "RUN_MAIN")


class Answer(NamedTuple):
    """What was answered, if anything was: the status is 0 otherwise."""

    at: float
    status: int
    worker: int
    text: str


class Beats(NamedTuple):
    """What one sidecar wrote."""

    #: by pid in the order of their starts: when it wrote
    times: dict[int, list[float]]
    farewells: set[int]

    @property
    def copies(self) -> int:
        """The most that ran at the same time."""
        spans = [(min(times), max(times)) for times in self.times.values()]
        return max((sum(first <= at <= last for first, last in spans) for at, _ in spans), default=0)

    @property
    def silence(self) -> float:
        """The longest time between two signs of life, whoever gave them."""
        times = sorted(at for each in self.times.values() for at in each)
        return max((later - earlier for earlier, later in pairwise(times)), default=0.0)


@dataclass
class Site:
    """A folder with every kind of application."""

    folder: Path
    run_dir: Path

    @classmethod
    def make(cls, folder: Path) -> Site:
        """Copy the applications, and configure the sidecars."""
        shutil.copytree(TESTDATA / "servers", folder, dirs_exist_ok=True)
        processes = [{
            "id": id, "script": "sidecar.py", "cwd": "..", "args": [str(folder / id), id],
            "interpreter": sys.executable, "stopTimeout": f"{STOP:g}s",
        } for id in SIDECARS]  # fmt: skip
        (folder / "pb_data").mkdir()
        (folder / "pb_data" / "pb_processes.json").write_text(json.dumps(processes))
        return cls(folder, Path(mkdtemp(prefix="pm", dir="/tmp")))

    def environment(self) -> dict[str, str]:
        """Return what a server finds: nothing of ours, and the mark."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
        own = {"PYTHONPATH": f"{ROOT}:{self.folder}", "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        return kept | own | {MARK: str(self.folder), "PROCESSMAN_RUN_DIR": str(self.run_dir)}

    def beats(self, id: str) -> Beats:
        """Read what sidecar *id* has written."""
        times: dict[int, list[float]] = {}
        farewells = set()
        with suppress(FileNotFoundError):
            for line in (self.folder / id).read_text().splitlines():
                pid, word, at = line.split()
                times.setdefault(int(pid), []).append(float(at))
                farewells |= {int(pid)} if word == "farewell" else set()
        return Beats(times, farewells)

    def alive(self) -> dict[int, psutil.Process]:
        """Return every process that has to do with this site."""
        found = {}
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get(MARK) == str(self.folder) and process.status() != psutil.STATUS_ZOMBIE:
                    found[process.pid] = process
        return found

    def held(self) -> list[str]:
        """Name the processes that the manager answers for: sidecars, and what they have started."""
        lines = (_line(process) for process in self.alive().values())
        return [line for line in lines if "sidecar.py" in line]

    def left(self) -> list[str]:
        """Name whatever is still there."""
        return [f"{pid} {_line(process)}" for pid, process in self.alive().items()]

    def owner(self) -> int | None:
        """Return the pid of who leads."""
        pids, alive = (int(path.name.split(".")[1]) for path in self.run_dir.glob("*.owner")), self.alive()
        return next((pid for pid in pids if pid in alive), None)  # a pid may be somebody else's by now

    def edit(self, version: int) -> None:
        """Change the code."""
        file = self.folder / "version.py"
        file.write_text(re.sub(r"VERSION = .*", f"VERSION = {version}", file.read_text()))

    def clean(self) -> None:
        """Take away whatever is left."""
        for process in self.alive().values():
            with suppress(psutil.Error):
                process.kill()
        shutil.rmtree(self.run_dir)


@dataclass
class Host:
    """A server that runs, and what it has answered."""

    site: Site
    process: subprocess.Popen[bytes]
    #: who gets the signals; another one after a deploy that replaces it
    main: int
    answers: list[Answer] = field(default_factory=list)

    def printed(self) -> str:
        """Return what it printed."""
        return (self.site.folder / "out").read_text(errors="replace")

    def until(self, condition: Callable[[], T], timeout: float = 20, what: str = "") -> T:
        """Wait for *condition*; on failure show what the server printed."""
        try:
            return until(condition, timeout, what)
        except pytest.fail.Exception as failed:
            raise AssertionError(f"{failed}: {self.printed()}") from None

    @property
    def port(self) -> int:
        """Where it listens: it chose the port itself, Django a new one after each edit. 0: nowhere yet."""
        found = _ADDRESS.findall(self.printed())
        return int(found[-1]) if found else 0

    def ask(self, path: str, timeout: float = 10) -> Answer:
        """Ask for *path*."""
        status, worker, text = 0, 0, ""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)) as connection, \
                suppress(OSError, http.client.HTTPException):  # fmt: skip
            connection.request("GET", path, headers={"Authorization": f"Bearer {TOKEN}"})
            answer = connection.getresponse()
            text = answer.read().decode()
            status, worker = answer.status, int(answer.headers.get("X-Worker", 0))
        return Answer(time.monotonic(), status, worker, text)

    def ask_api(self) -> Answer:
        """Ask for the list of processes, and keep the answer."""
        self.answers.append(answer := self.ask("/api/pm/list", 5))
        return answer

    def version(self) -> str:
        """Return which code answers."""
        return self.ask("/version").text

    def wait_until_running(self) -> None:
        """Wait until the API tells that both sidecars run, and both have written."""
        def running() -> bool:
            assert self.process.poll() is None, self.printed()
            told = shown([self.ask_api()])
            written = {(id, pid, 0) for id in SIDECARS for pid in self.site.beats(id).times}
            return len(told) == len(SIDECARS) and told <= written

        self.until(running, 30)
        del self.answers[:-1]

    def ask_every(self, workers: int, timeout: float = 20) -> set[int]:
        """Ask until as many *workers* as there should be have answered for the API; return their pids."""
        seen: set[int] = set()

        def ask() -> None:
            while not stop.is_set():
                answer = self.ask_api()
                if answer.status == 200:
                    seen.add(answer.worker)

        def enough() -> bool:
            alive = {pid for pid in seen.copy() if psutil.pid_exists(pid)}
            return len(alive) >= workers

        stop, threads = threading.Event(), [threading.Thread(target=ask) for _ in range(2 * workers)]
        for thread in threads:
            thread.start()
        try:
            self.until(enough, timeout, f"{workers} workers")
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        return seen & self.site.alive().keys()

    @contextmanager
    def sampled(self) -> Iterator[None]:
        """Ask for the API all the time."""
        stop = threading.Event()

        def sample() -> None:
            while not stop.wait(0.03):
                self.ask_api()

        thread = threading.Thread(target=sample)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def signal(self, number: signal.Signals) -> None:
        """Signal the main process."""
        os.kill(self.main, number)

    def signal_group(self, number: signal.Signals) -> None:
        """Signal all of the host, as Ctrl-C does."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def signal_all(self, number: signal.Signals) -> None:
        """Signal everything that has to do with it, as what runs services does: the keeper and sidecars as well."""
        for pid in self.site.alive():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def is_over(self) -> bool:
        """Tell whether the main process has ended."""
        over = self.process.poll() is not None
        return over if self.main == self.process.pid else not psutil.pid_exists(self.main)

    def members(self) -> list[psutil.Process]:
        """Return who is in the host's group."""
        return [each for each in self.site.alive().values() if _group(each.pid) == self.process.pid]

    def gap(self) -> float:
        """Return the longest time from one good answer of the API to the next."""
        good = sorted(answer.at for answer in self.answers if answer.status == 200)
        return max(later - earlier for earlier, later in pairwise(good))

    def unavailable(self) -> float:
        """Return the longest time from a 503 to the next 200."""
        good = sorted(answer.at for answer in self.answers if answer.status == 200)
        waits = [next((at - each.at for at in good if at > each.at), 60.0)
                 for each in self.answers if each.status == 503]  # fmt: skip
        return max(waits, default=0.0)


@contextmanager
def serving(site: Site, line: Sequence[str]) -> Iterator[Host]:
    """Run *line* as a terminal would; nothing of the host is left afterwards."""
    with (site.folder / "out").open("w") as out:
        process = subprocess.Popen(line, cwd=site.folder, env=site.environment(), stdin=subprocess.DEVNULL,
                                   stdout=out, stderr=out, start_new_session=True)  # fmt: skip
    host = Host(site, process, process.pid)
    try:
        yield host
    finally:
        host.signal_group(signal.SIGKILL)
        process.wait()


def _line(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


def _group(pid: int) -> int:
    with suppress(ProcessLookupError):
        return os.getpgid(pid)
    return 0


def shown(answers: Sequence[Answer]) -> set[tuple[str, int | None, int]]:
    """Return id, pid and restartCount of whatever the API has told."""
    told = (each for answer in answers if answer.status == 200 for each in json.loads(answer.text))
    return {(each["id"], each["pid"], each["restartCount"]) for each in told}
