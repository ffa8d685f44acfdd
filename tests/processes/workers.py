"""Workers that share one copy of each process: each a process of its own, told what to do over its input."""
from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

from support import CHILDREN, ROOT, TESTDATA, until

from processman.errors import ProcessmanError


class Raised(ProcessmanError):
    """A worker raised this; *told* has its class, all its kinds, its message and its attributes."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        super().__init__(f"{told['raised']}: {told['message']}")
        self.told = told


def configured(id: str, script: str = "waits.py", *args: object, **more: Any) -> dict[str, Any]:
    """Return the keywords of a ProcessConfig for one of testdata/children."""
    options: dict[str, Any] = {"script": str(CHILDREN / script), "args": [str(arg) for arg in args]}
    return {"id": id, "cwd": str(CHILDREN), "interpreter": sys.executable, "backoff": "50ms"} | options | more


class Worker:
    """One worker: call it with an expression."""

    def __init__(self, host: subprocess.Popen[str]) -> None:
        self.host = host
        self.pid = host.pid

    def __call__(self, expression: str) -> Any:
        self.ask(expression)
        return self.answer()

    def ask(self, expression: str) -> None:
        """Ask, and leave the answer for later."""
        assert self.host.stdin is not None
        self.host.stdin.write(expression.replace("\n", " ") + "\n")
        self.host.stdin.flush()

    def answer(self) -> Any:
        """Return what the oldest question was answered; raise :exc:`Raised` when that is an error."""
        assert self.host.stdout is not None
        line = self.host.stdout.readline()
        assert line, f"worker {self.pid} ended: {self.host.wait()}"
        told = json.loads(line)
        if "raised" in told:
            raise Raised(told)
        return told["done"]

    @property
    def role(self) -> str:
        return str(self("m.role"))

    def kill(self, number: int = signal.SIGKILL) -> None:
        """End it by a signal."""
        os.kill(self.pid, number)
        self.host.wait(30)

    def exit(self) -> None:
        """Let it come to its end."""
        assert self.host.stdin is not None
        self.host.stdin.close()
        self.host.wait(30)


class Workers:
    """Those of one data directory."""

    def __init__(self, directory: Path, run_dir: str) -> None:
        self.directory, self.run_dir = directory, run_dir
        self.all: list[Worker] = []
        self.log = directory / "workers.log"

    def new(
        self, *processes: Mapping[str, Any], linger: float = 0.0, file: str | None = None, **config: Any
    ) -> Worker:
        """Begin one more, with more of *config*."""
        self.all.append(self._begin(processes, linger, file, config))
        self.all[-1].answer()
        return self.all[-1]

    def several(self, number: int, *processes: Mapping[str, Any]) -> list[Worker]:
        """Begin *number* more, all but the first at once; they come in the order of age, the oldest first."""
        first = self.new(*processes)
        others = [self._begin(processes, 0.0, None) for _ in range(number - 1)]
        self.all += others
        for worker in others:
            worker.answer()
        return [first, *sorted(others, key=lambda worker: float(worker("m._life._seat.generation")))]

    def _begin(
        self, processes: Sequence[Mapping[str, Any]], linger: float, file: str | None,
        config: Mapping[str, Any] = MappingProxyType({}),
    ) -> Worker:
        options = {"linger": linger, "processes": processes, "file": file, "config": dict(config)}
        with self.log.open("a") as log:
            host = subprocess.Popen(
                [sys.executable, str(TESTDATA / "hosts" / "worker.py"), json.dumps(options)], text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                env={**os.environ, "PYTHONPATH": str(ROOT), "HOST_DIRECTORY": str(self.directory),
                     "PROCESSMAN_RUN_DIR": self.run_dir, "PYTHONDONTWRITEBYTECODE": "1"},
            )  # fmt: skip
        return Worker(host)

    @property
    def alive(self) -> list[Worker]:
        return [worker for worker in self.all if worker.host.poll() is None]

    @property
    def owner(self) -> Worker:
        """The one that leads, as soon as one does."""
        return until(lambda: next((worker for worker in self.alive if worker.role == "owner"), None))

    @property
    def keeper(self) -> int:
        """The pid of the keeper; 0 when there is none."""
        return next(iter(self.keepers()), 0)

    def keepers(self) -> list[int]:
        """The pids of all keepers of this directory."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes().split(b"\0")
            except OSError:
                continue
            if any(word.endswith(b"keeper.py") for word in words) and self.run_dir.encode() in b"\0".join(words):
                found.append(int(path.parent.name))
        return found

    def end(self) -> None:
        """End all, and see that nothing is left of them."""
        for worker in self.alive:
            worker.host.kill()
        for worker in self.all:
            worker.host.wait()
            for pipe in filter(None, (worker.host.stdin, worker.host.stdout)):
                with suppress(BrokenPipeError):
                    pipe.close()
        until(lambda: not self.keepers(), 30, what="the keeper's end")


@contextmanager
def workers(directory: Path) -> Iterator[Workers]:
    """Have workers on *directory*; at the end there are none, and they have complained of nothing."""
    run_dir = tempfile.mkdtemp(prefix="pm-", dir="/tmp")
    all_of_them = Workers(directory, run_dir)
    try:
        yield all_of_them
    finally:
        try:
            all_of_them.end()
        finally:
            left = [path.name for path in Path(run_dir).rglob("*")
                    if path.suffix not in (".lock", ".log") and not path.is_dir()]
            shutil.rmtree(run_dir)
    said = all_of_them.log.read_text()
    assert "Traceback" not in said, said
    assert " ERROR " not in said, said
    assert not left, f"left in the run directory: {left}"


#: the ways in which one may leave
LEAVING = {
    "stop": lambda worker: worker("m.stop()"),
    "with": lambda worker: worker("m.__exit__(None, None, None)"),
    "the end": lambda worker: worker.exit(),
    "SIGTERM": lambda worker: worker.kill(signal.SIGTERM),
    "SIGKILL": lambda worker: worker.kill(),
}


def running(worker: Worker, id: str = "p") -> Any:
    """Wait until process *id* is running; return its status."""
    return worker(f"m.wait_for({id!r}, 'running', 20)")


def second_run(worker: Worker, id: str) -> Any:
    """Wait until process *id* is running for the second time; return its status."""
    return worker(f"m.wait_for({id!r}, lambda one: one.run == 2 and one.status == 'running', 20)")


def wait_for_ready(worker: Worker, id: str = "p") -> None:
    """Wait until process *id* has said that it is ready."""
    until(lambda: any(line["content"] == "ready" and line["seq"] for line in worker(f"m.logs({id!r})")))
