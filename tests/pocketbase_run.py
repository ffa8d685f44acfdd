"""``processman pocketbase run`` in a process of its own, on a directory of its own."""
from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from cli.command import Up
from pocketbase_server import PocketBase, free_port
from support import ROOT


class Run(Up):
    """A ``processman pocketbase run`` of a real PocketBase."""

    def __init__(self, directory: Path, *processes: dict[str, Any]) -> None:
        super().__init__(directory, *processes)
        self.log = directory.parent
        #: what becomes the first of the processes
        self.pocketbase = PocketBase(directory)
        self.port = self.pocketbase.port = free_port()
        self.binary = self.pocketbase.binary

    def begin(self, *arguments: object, **options: Any) -> subprocess.Popen[bytes]:
        """Start it; *arguments* go to PocketBase."""
        return self.begin_with("serve", "--http", f"127.0.0.1:{self.port}", "--dir", self.directory,
                               "--hooksDir", self.directory / "hooks", *arguments, **options)  # fmt: skip

    def begin_with(self, *line: object, **options: Any) -> subprocess.Popen[bytes]:
        """Start it with the command line *line* of PocketBase."""
        with (self.log / "out").open("ab") as out, (self.log / "err").open("ab") as err:
            process = subprocess.Popen(
                [sys.executable, "-m", "processman", "pocketbase", "run", "--dir", self.directory,
                 "--http", "127.0.0.1:0", "--", self.binary, *map(str, line)],
                **{"stdin": subprocess.DEVNULL, "stdout": out, "stderr": err, "cwd": ROOT} | options,
            )  # fmt: skip
        self.processes.append(process)
        return process

    def hook(self, name: str, code: str) -> None:
        """Write a hook file."""
        hooks = self.directory / "hooks"
        hooks.mkdir(exist_ok=True)
        (hooks / f"{name}.pb.js").write_text(code)

    @property
    def out(self) -> str:
        return (self.log / "out").read_text()

    @property
    def err(self) -> str:
        return (self.log / "err").read_text()

    def pid(self, id: str) -> int:
        """Return the pid of a process."""
        [pid] = [each["pid"] for each in json.loads(self.run("ls", "--json")) if each["id"] == id]
        return int(pid or 0)
