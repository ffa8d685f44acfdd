"""``processman up`` in a process of its own, on a directory of its own."""
from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from support import CHILDREN, ROOT, until


class Up:
    """A ``processman up`` on a directory of its own."""

    def __init__(self, directory: Path, *processes: dict[str, Any]) -> None:
        self.directory = directory
        self.processes: list[subprocess.Popen[bytes]] = []
        self.write(*processes)

    def write(self, *processes: dict[str, Any]) -> None:
        (self.directory / "pb_processes.json").write_text(json.dumps(processes))

    def begin(self, *arguments: object, **options: Any) -> subprocess.Popen[bytes]:
        """Start it; its output goes to files unless *options* say something else."""
        with (self.directory / "out").open("ab") as out, (self.directory / "err").open("ab") as err:
            process = subprocess.Popen(
                [sys.executable, "-m", "processman", "up", "--dir", self.directory, "--http", "127.0.0.1:0",
                 *map(str, arguments)],
                **{"stdin": subprocess.DEVNULL, "stdout": out, "stderr": err, "cwd": ROOT} | options,
            )  # fmt: skip
        self.processes.append(process)
        return process

    def start(self, *arguments: object, **options: Any) -> subprocess.Popen[bytes]:
        """Start it, and return when its processes have printed "ready"."""
        process = self.begin(*arguments, **options)
        until(lambda: self.state().get("pid") == process.pid or process.poll() is not None)
        assert process.poll() is None, self.err
        return process

    def state(self) -> dict[str, Any]:
        try:
            state: dict[str, Any] = json.loads((self.directory / ".processman" / "state.json").read_text())
        except FileNotFoundError:
            return {}
        return state

    @property
    def out(self) -> str:
        return (self.directory / "out").read_text()

    @property
    def err(self) -> str:
        return (self.directory / "err").read_text()

    def run(self, *arguments: object) -> str:
        """Run another command in a process of its own; return what it printed."""
        line = [sys.executable, "-m", "processman", *map(str, arguments), "--dir", self.directory]
        return subprocess.run(line, capture_output=True, text=True, cwd=ROOT).stdout

    def wait_for(self, text: str) -> None:
        """Wait until *text* has been printed."""
        until(lambda: text in self.out + self.err, what=f"{text!r}")

    def end(self) -> None:
        for process in self.processes:
            for number in (signal.SIGTERM, signal.SIGKILL):
                if process.poll() is None:
                    process.send_signal(number)
                    with_patience(process)


def with_patience(process: subprocess.Popen[bytes]) -> int | None:
    try:
        return process.wait(10)
    except subprocess.TimeoutExpired:
        return None


def of(id: str, script: str, *args: object, **more: Any) -> dict[str, Any]:
    """Describe one of testdata/children, as the file does."""
    return {"id": id, "script": str(CHILDREN / script), "cwd": str(CHILDREN), "interpreter": sys.executable,
            "args": [str(arg) for arg in args], "backoff": "10ms", **more}  # fmt: skip
