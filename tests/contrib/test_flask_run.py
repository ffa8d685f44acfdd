"""Flask under its own servers, with real processes: one copy, whatever is edited, and none where nobody serves."""
from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from urllib.request import Request, urlopen

import psutil
import pytest
from support import CHILDREN, ROOT, missing, until

if find_spec("flask") is None:
    missing("Flask is not installed")

TOKEN = "a-token-of-enough-bytes"
APP = f"""
import logging
from flask import Flask, request
from processman.contrib.flask import Processman
from processman.wsgi import bearer

logging.basicConfig(level=logging.INFO)
app = Flask(__name__)
tokens = bearer("{TOKEN}")
Processman(app, auth=lambda: tokens(request.environ))

@app.get("/")
def home():
    return {{"version": 0}}

@app.cli.command("migrate")
def migrate():
    print(len(app.extensions["processman"].list()))

if __name__ == "__main__":
    from werkzeug.serving import make_server
    server = make_server("127.0.0.1", 0, app, threaded=True)
    print(f"http://127.0.0.1:{{server.port}}", flush=True)
    server.serve_forever()
"""
RUN = {
    "flask run": ("-m", "flask", "run", "--port", "0"),
    "flask run --debug": ("-m", "flask", "run", "--port", "0", "--debug"),
    "flask --debug run --no-reload": ("-m", "flask", "--debug", "run", "--port", "0", "--no-reload"),
    "make_server": ("app.py",),
}


@dataclass(frozen=True)
class Project:
    """A Flask application in a folder, with one process that leaves its pid in a file again and again."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> Project:
        project = cls(folder)
        (folder / "app.py").write_text(APP)
        (folder / "instance" / "pb_data").mkdir(parents=True)
        project.configure()
        return project

    def configure(self, **more: object) -> None:
        beat = {"id": "beat", "script": str(CHILDREN / "heartbeat.py"), "args": [str(self.folder / "beats")],
                "interpreter": sys.executable, "cwd": "."}  # fmt: skip
        (self.folder / "instance" / "pb_data" / "pb_processes.json").write_text(json.dumps([beat | more]))

    def edit(self, version: int) -> None:
        text = (self.folder / "app.py").read_text()
        (self.folder / "app.py").write_text(re.sub(r'"version": \d+', f'"version": {version}', text))

    def environment(self) -> dict[str, str]:
        foreign = ("PYTEST", "FLASK", "PROCESSMAN")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        return kept | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}

    def printed(self) -> str:
        return (self.folder / "out").read_text()

    def turns(self) -> list[int]:
        """Return the pids in the order in which they took over; one that comes twice ran beside another."""
        with suppress(FileNotFoundError):
            return [int(pid) for pid, _ in groupby((self.folder / "beats").read_text().split())]
        return []

    def alive(self) -> list[psutil.Process]:
        """Return every process that was started for this project, whoever its parent is."""
        data_dir = str(self.folder / "instance" / "pb_data")
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get("PB_DATA_DIR") == data_dir and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project.make(tmp_path)
    yield made
    for process in made.alive():
        with suppress(psutil.Error):
            process.kill()


@contextmanager
def serving(project: Project, *command: str) -> Iterator[Server]:
    """Run *command* as a terminal would, until Ctrl-C."""
    with (project.folder / "out").open("w") as out:
        process = subprocess.Popen([sys.executable, *command], cwd=project.folder, env=project.environment(),
                                   stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                                   start_new_session=True)  # fmt: skip
    try:
        yield Server(project, process)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(20)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@dataclass(frozen=True)
class Server:
    """A server that runs."""

    project: Project
    process: subprocess.Popen[bytes]

    @property
    def address(self) -> str:
        found = re.search(r"http://127\.0\.0\.1:\d+", self.project.printed())
        assert self.process.poll() is None, self.project.printed()
        return found[0] if found else ""

    def ask(self, path: str, method: str = "GET") -> dict[str, object]:
        """Return what it answers, nothing while it is not there."""
        sent = Request(until(lambda: self.address) + path, method=method,
                       headers={"Authorization": f"Bearer {TOKEN}"})  # fmt: skip
        try:
            with urlopen(sent, timeout=10) as answer:
                return dict(json.load(answer))
        except OSError:
            return {}

    def running(self) -> dict[str, object]:
        """Return the process once it runs."""
        until(lambda: self.ask("/api/pm/beat").get("status") == "running", what=self.project.printed())
        return self.ask("/api/pm/beat")


@pytest.mark.parametrize("command", RUN.values(), ids=RUN)
def test_one_copy_runs_beside_the_application(project: Project, command: tuple[str, ...]) -> None:
    with serving(project, *command) as server:
        first = server.running()
        until(lambda: project.turns() == [first["pid"]])
        assert server.ask("/api/pm/beat/restart", "POST") == {"message": "Process restart initiated", "id": "beat"}
        second = until(lambda: project.turns()[1:])
        assert server.running()["pid"] == second[0]
        assert server.ask("/api/pm/beat/stop", "POST") == {"message": "Process stopped", "id": "beat"}
        assert project.alive() == []
        assert server.ask("/api/pm/beat/start", "POST")["id"] == "beat"
        until(lambda: len(project.turns()) == 3)
    until(lambda: project.alive() == [])
    assert len(set(project.turns())) == 3


def test_the_command_asks_the_worker_that_leads(project: Project) -> None:
    def run(*argv: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-m", "flask", "processman", *argv], cwd=project.folder, text=True,
                              env=project.environment(), capture_output=True, timeout=60)  # fmt: skip

    nobody = run("ls")
    assert (nobody.returncode, nobody.stdout) == (4, "")
    assert "no application that serves runs its processes from there" in nobody.stderr
    assert run("check").stdout.endswith("pb_processes.json is valid: 1 process\n")
    assert project.turns() == []
    with serving(project, *RUN["flask run"]) as server:
        first = server.running()
        assert json.loads(run("show", "beat", "--json").stdout)["pid"] == first["pid"]
        assert run("restart", "beat").returncode == 0
        unknown = run("start", "nobody")
        assert unknown.returncode == 1
        assert unknown.stderr.endswith("processman: cannot start process 'nobody': Process not found\n")
        assert run("stop", "--all").returncode == 0
        assert run("show", "beat").returncode == 3
        assert run("up").returncode == 2
    assert len(project.turns()) == 2


def test_one_copy_runs_through_three_edits(project: Project) -> None:
    """P17"""
    with serving(project, *RUN["flask run --debug"]) as server:
        server.running()
        for version in (1, 2, 3):
            project.edit(version)
            until(lambda: server.ask("/").get("version") == version, 20, project.printed())  # noqa: B023
            pid = server.running()["pid"]
            until(lambda: project.turns()[-1] == pid)  # noqa: B023
    until(lambda: project.alive() == [])
    turns = project.turns()
    assert len(turns) == len(set(turns)) <= 4


@pytest.mark.parametrize("command", ["routes", "shell", "migrate", "--debug routes", "run --help", "--help"])
def test_commands_start_nothing(project: Project, command: str) -> None:
    """P2"""
    look = "print(len(app.extensions['processman'].list()))"
    done = subprocess.run([sys.executable, "-m", "flask", *command.split()], cwd=project.folder, input=look,
                          env=project.environment(), capture_output=True, text=True, timeout=30)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert command == "run --help" or "processes are not started: " in done.stderr
    assert command not in ("shell", "migrate") or "0" in done.stdout
    assert project.turns() == project.alive() == []


def test_a_broken_file_does_not_keep_the_application_from_serving(project: Project) -> None:
    project.configure(scirpt="x")
    with serving(project, *RUN["flask run"]) as server:
        until(lambda: server.ask("/").get("version") == 0, what=project.printed())
        assert "/0/scirpt: unknown key; did you mean script?" in project.printed()
    assert project.turns() == []
