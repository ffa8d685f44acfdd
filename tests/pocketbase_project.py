"""A PocketBase project of its own: the real binary with our hook, and what of it lives."""
from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from urllib.parse import quote

import psutil
from pocketbase_server import PocketBase, free_port
from support import CHILDREN, ROOT, until

MARK = "PROJECT_UNDER_TEST"
#: what a machine that is busy may take beyond what is promised
SLACK = 5.0


class Project(PocketBase):
    """A folder with pb_data and pb_hooks. Each ``serve()`` is one PocketBase."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory / "pb_data")
        self.directory = directory
        self.hook = directory / "pb_hooks" / "processman.pb.js"
        self.run_dir = Path(mkdtemp(prefix="pm", dir="/tmp"))
        self.data.mkdir(parents=True)
        self.servers: list[subprocess.Popen[bytes]] = []
        self.write()

    def write(self, *processes: dict[str, Any]) -> None:
        (self.data / "pb_processes.json").write_text(json.dumps(processes))

    def child(self, id: str, seconds: float = 0.0, *manner: str, **more: Any) -> dict[str, Any]:
        """Describe a child that writes down its start and its farewell, and takes *seconds* for that."""
        args = [str(self.directory / f"{id}.life"), str(seconds), *manner]
        return self.script(id, "says_farewell.py", *args, **more)

    def script(self, id: str, script: str, *args: str, **more: Any) -> dict[str, Any]:
        return {"id": id, "script": str(CHILDREN / script), "cwd": ".", "interpreter": sys.executable,
                "args": list(args), "backoff": "10ms", **more}  # fmt: skip

    def life(self, id: str) -> list[tuple[str, int]]:
        """Return what child *id* has written: words, and its pid with each."""
        with suppress(FileNotFoundError):
            lines = (self.directory / f"{id}.life").read_text().splitlines()
            return [(line.split()[0], int(line.split()[1])) for line in lines]
        return []

    def starts(self, id: str) -> list[int]:
        return [pid for word, pid in self.life(id) if word == "start"]

    # -- commands ----------------------------------------------------------------
    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in super().environment.items() if not name.startswith("PROCESSMAN")}
        return kept | {"PYTHONPATH": str(ROOT), "PROCESSMAN_RUN_DIR": str(self.run_dir), MARK: str(self.directory)}

    def processman(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one command of ours in the project."""
        return subprocess.run([sys.executable, "-m", "processman", *arguments], cwd=self.directory, text=True,
                              env=self.environment, capture_output=True, timeout=60)  # fmt: skip

    def install(self, *options: str) -> None:
        done = self.processman("pocketbase", "install", *options)
        assert done.returncode == 0, done.stderr

    # -- one PocketBase ------------------------------------------------------------
    def serve(self, *options: str, port: int | None = None) -> subprocess.Popen[bytes]:
        """Start PocketBase; return at once."""
        self.port = free_port() if port is None else port
        with (self.directory / "pocketbase.log").open("ab") as log:
            server = subprocess.Popen(
                [self.binary, "serve", "--http", f"127.0.0.1:{self.port}", "--dir", "pb_data", *options],
                cwd=self.directory, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        self.servers.append(server)
        return server

    def start(self, *options: str, port: int | None = None) -> subprocess.Popen[bytes]:
        """Start PocketBase; return when its processes are under a manager's care."""
        server = self.serve(*options, port=port)
        until(lambda: self.state().get("host") == server.pid or server.poll() is not None, 20, what="a manager")
        assert server.poll() is None, self.log
        return server

    def state(self) -> dict[str, Any]:
        """Return what the manager says of itself."""
        with suppress(OSError, ValueError):
            state: dict[str, Any] = json.loads((self.data / ".processman" / "state.json").read_text())
            return state
        return {}

    @property
    def manager(self) -> int:
        return int(self.state()["pid"])

    @property
    def log(self) -> str:
        log = self.data / ".processman" / "manager.log"
        return (self.directory / "pocketbase.log").read_text() + (log.read_text() if log.exists() else "")

    def status(self, id: str, token: str) -> dict[str, Any]:
        answer = self.ask("GET", f"/api/pm/{id}", token)
        return answer.json if answer.status == 200 else {}

    def rows(self, token: str, where: str = "level>=0") -> list[dict[str, Any]]:
        """Return what we wrote into PocketBase's own logs, oldest first."""
        answer = self.ask("GET", f"/api/logs?perPage=500&sort=@rowid&filter={quote(where)}", token)
        return [row for row in answer.json["items"] if "process" in row["data"]]

    # -- what lives -----------------------------------------------------------------
    def alive(self, word: str = "") -> list[int]:
        """Return the pids of what has to do with this project, and has *word* on its command line."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if (process.environ().get(MARK) == str(self.directory)
                        and process.status() != psutil.STATUS_ZOMBIE and word in " ".join(process.cmdline())):
                    found.append(process.pid)
        return sorted(found)

    def copies(self, id: str) -> list[int]:
        return self.alive(f"{self.directory / id}.life")

    def survivors(self) -> list[int]:
        """Return what lives beside PocketBase."""
        servers = {server.pid for server in self.servers}
        return [pid for pid in self.alive() if pid not in servers]

    def end(self) -> None:
        """End every PocketBase, and wait until nothing is left."""
        for server in self.servers:
            for number in (signal.SIGTERM, signal.SIGKILL):
                if server.poll() is None:
                    server.send_signal(number)
                    with suppress(subprocess.TimeoutExpired):
                        server.wait(30)
        try:
            until(lambda: not self.alive(), 20, what=f"the end of {self.alive()}")
        finally:
            shutil.rmtree(self.run_dir, ignore_errors=True)
