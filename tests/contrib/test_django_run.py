"""A Django site under real servers, with real processes: one copy, whatever is edited, none where nobody serves."""
from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException
from http.cookiejar import CookieJar
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, OpenerDirector, Request, build_opener

import psutil
import pytest
from support import CHILDREN, ROOT, missing, until

if find_spec("django") is None:
    missing("Django is not installed")

PAGE = (ROOT / "docs" / "django.md").read_text()
TOKEN = "a-token-of-enough-bytes"
ROUTES = f"""
    path("api/programs/", include(processman.contrib.django.bearer_urls("{TOKEN}"))),
    path("version", lambda _: HttpResponse("0")),
"""
SERVERS = {
    "runserver": ("manage.py", "runserver", "127.0.0.1:0"),
    "runserver --noreload": ("manage.py", "runserver", "--noreload", "127.0.0.1:0"),
    "waitress": ("-m", "waitress", "--listen", "127.0.0.1:0", "mysite.wsgi:application"),
    "uvicorn": ("-m", "uvicorn", "--port", "0", "mysite.asgi:application"),
}


@dataclass(frozen=True)
class Project:
    """A copy of the example whose process leaves its pid in a file again and again."""

    folder: Path

    def configure(self, **more: object) -> None:
        beat = {"id": "clock", "script": str(CHILDREN / "heartbeat.py"), "args": [str(self.folder / "beats")],
                "interpreter": sys.executable, "cwd": "."}  # fmt: skip
        (self.folder / "pb_data" / "pb_processes.json").write_text(json.dumps([beat | more]))

    def edit(self, before: str, after: str) -> None:
        urls = self.folder / "mysite" / "urls.py"
        assert before in urls.read_text()
        urls.write_text(urls.read_text().replace(before, after))

    def run(self, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, *command], cwd=self.folder, env=environment(**more), text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=60)  # fmt: skip

    def turns(self) -> list[int]:
        """Return the pids in the order in which they took over; one that comes twice ran beside another."""
        with suppress(FileNotFoundError):
            return [int(pid) for pid, _ in groupby((self.folder / "beats").read_text().split())]
        return []

    def alive(self) -> list[psutil.Process]:
        """Return every process that was started for this project, whoever its parent is."""
        data_dir = str(self.folder / "pb_data")
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get("PB_DATA_DIR") == data_dir and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found


def environment(**more: str) -> dict[str, str]:
    foreign = ("PYTEST", "DJANGO", "PROCESSMAN", "RUN_MAIN")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"} | more


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    folder = tmp_path / "examples" / "django"
    ignored = shutil.ignore_patterns(".processman", "__pycache__", "db.sqlite3*")
    shutil.copytree(ROOT / "examples" / "django", folder, ignore=ignored)
    made = Project(folder)
    yield made
    for process in made.alive():
        with suppress(psutil.Error):
            process.kill()


@pytest.fixture
def beating(project: Project) -> Project:
    project.configure()
    project.edit("urlpatterns = [", f"urlpatterns = [{ROUTES}")
    return project


@dataclass(frozen=True)
class Server:
    """A server that runs."""

    process: subprocess.Popen[bytes]
    out: Path
    opener: OpenerDirector

    def printed(self) -> str:
        return self.out.read_text()

    @property
    def address(self) -> str:
        found = re.findall(r"http://127\.0\.0\.1:[1-9]\d*", self.printed())
        assert self.process.poll() is None, self.printed()
        return str(found[-1]) if found else ""

    def ask(self, path: str, method: str = "GET", data: bytes | None = None, **headers: str) -> tuple[int, str]:
        """Return what it answers; the status is 0 while it is not there."""
        request = Request(until(lambda: self.address, 20) + path, data, headers, method=method)
        try:
            with self.opener.open(request, timeout=20) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            return error.code, error.read().decode()
        except (OSError, HTTPException):  # the second: it was reloaded while it answered
            return 0, ""

    def program(self, path: str, method: str = "GET") -> Any:
        """Return what programs are answered; nothing while it is not there."""
        status, text = self.ask(f"/api/programs{path}", method, Authorization=f"Bearer {TOKEN}")
        return json.loads(text) if status else {}

    def running(self) -> Any:
        """Return the process once it runs."""
        def found() -> Any:
            shown = self.program("/clock")
            return shown if shown.get("status") == "running" else None

        return until(found, 20, self.printed())


@contextmanager
def serving(folder: Path, *command: str) -> Iterator[Server]:
    """Run *command* as a terminal would, until Ctrl-C."""
    out = folder / "out"
    with out.open("w") as file:
        process = subprocess.Popen(command, cwd=folder, env=environment(), stdin=subprocess.DEVNULL,
                                   stdout=file, stderr=file, start_new_session=True)  # fmt: skip
    try:
        yield Server(process, out, build_opener(HTTPCookieProcessor(CookieJar())))
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(20)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def line(name: str) -> list[str]:
    for server in {"waitress", "uvicorn"} & {name}:
        if find_spec(server) is None:
            missing(f"{server} is not installed")
    return [sys.executable, *SERVERS[name]]


def test_the_command_asks_the_worker_that_leads(beating: Project) -> None:
    assert beating.run("manage.py", "processman", "ls").returncode == 4
    assert beating.run("manage.py", "processman", "check").stdout.endswith("is valid: 1 process\n")
    assert beating.turns() == []
    with serving(beating.folder, *line("waitress")) as server:
        first = server.running()
        shown = beating.run("manage.py", "processman", "show", "clock", "--json")
        assert json.loads(shown.stdout)["pid"] == first["pid"]
        assert beating.run("manage.py", "processman", "stop", "clock").returncode == 0
        assert beating.run("manage.py", "processman", "show", "clock").returncode == 3
        assert beating.run("manage.py", "processman", "up").returncode == 2
    assert beating.turns() == [first["pid"]]


@pytest.mark.parametrize("name", SERVERS)
def test_one_copy_runs_beside_the_site(beating: Project, name: str) -> None:
    """H-multiworker"""
    with serving(beating.folder, *line(name)) as server:
        first = server.running()
        until(lambda: beating.turns() == [first["pid"]])
        assert server.program("/clock/restart", "POST") == {"message": "Process restart initiated", "id": "clock"}
        second = until(lambda: beating.turns()[1:])
        assert server.running()["pid"] == second[0]
        assert server.program("/clock/stop", "POST") == {"message": "Process stopped", "id": "clock"}
        assert beating.alive() == []
        assert server.program("/clock/start", "POST")["id"] == "clock"
        until(lambda: len(beating.turns()) == 3)
        assert server.ask("/api/pm/list")[0] == 401
    until(lambda: beating.alive() == [])
    assert len(set(beating.turns())) == 3


def test_one_copy_runs_through_three_edits(beating: Project) -> None:
    """H-multiworker: the same copy, for the next process of the reloader finds it running"""
    # what is edited before the reloader first looked is no change to it
    seen = f"File {beating.folder / 'mysite' / 'urls.py'} first seen"
    with (beating.folder / "mysite" / "settings.py").open("a") as settings:
        settings.write('LOGGING["loggers"]["django.utils"] = {"handlers": ["console"], "level": "DEBUG"}\n')
    with serving(beating.folder, *line("runserver")) as server:
        server.running()
        for version in (1, 2, 3):
            until(lambda: server.printed().count(seen) == version, 20)  # noqa: B023
            beating.edit(f'"{version - 1}"', f'"{version}"')
            until(lambda: server.ask("/version") == (200, str(version)), 20, server.printed())  # noqa: B023
            pid = server.running()["pid"]
            until(lambda: beating.turns()[-1] == pid)  # noqa: B023
    until(lambda: beating.alive() == [])
    turns = beating.turns()
    assert len(turns) == 1, turns


@pytest.mark.parametrize("command", [
    ("check",), ("check", "--deploy"), ("migrate",), ("showmigrations",), ("test",),
    ("shell", "-c", "import mysite.wsgi"),
], ids=" ".join)  # fmt: skip
def test_commands_start_nothing(beating: Project, command: tuple[str, ...]) -> None:
    """P2"""
    done = beating.run("manage.py", *command)
    assert done.returncode == 0, done.stderr
    assert beating.turns() == beating.alive() == []
    assert command[0] != "shell" or "processes are not started: " in done.stderr


def test_a_broken_file_fails_the_check_and_not_the_site(beating: Project) -> None:
    words = "pb_processes.json: /0/scirpt: unknown key; did you mean script?"
    beating.configure(scirpt="x")
    done = beating.run("manage.py", "check")
    assert done.returncode == 1
    assert "processman.E004" in done.stderr
    assert words in done.stderr
    with serving(beating.folder, *line("waitress")) as server:
        assert until(lambda: server.program("/list") == []) is True
        assert words in server.printed()
    assert beating.turns() == []


# -- the page ----------------------------------------------------------------------
def fenced(mark: str) -> list[str]:
    """Return the commands below ``<!-- mark -->``."""
    found = re.search(rf"^<!-- {mark} -->\n```sh\n(.*?)^```$", PAGE, re.M | re.S)
    assert found, mark
    return found[1].strip().split(" && ")


def installed(folder: Path) -> None:
    """Make what the first part of the line makes, of what is installed here."""
    program = folder / ".venv" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    program.chmod(0o755)


def log_in(server: Server) -> None:
    """Log in on the admin's page, as a person does."""
    _, page = server.ask("/admin/login/")
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert token
    form = {"csrfmiddlewaretoken": token[1], "username": "admin", "password": "a-password", "next": "/"}
    status, _ = server.ask("/admin/login/", "POST", urlencode(form).encode())
    assert status == 200


def test_the_example_does_as_the_page_says(project: Project, tmp_path: Path) -> None:
    installed(tmp_path)
    for command in fenced("command: user"):
        subprocess.run(["bash", "-c", command], cwd=tmp_path, env=environment(), check=True, timeout=60,
                       stdin=subprocess.DEVNULL, capture_output=True)  # fmt: skip
    *before, command = fenced("command: django")
    assert before == ["python3 -m venv .venv", ".venv/bin/pip install -q '.[django]'"]
    with serving(tmp_path, "bash", "-c", f"exec {command} 127.0.0.1:0") as server:
        until(lambda: server.ask("/")[1].startswith("it is "), 20, server.printed())
        until(lambda: "[clock][STDOUT] it is " in server.printed())
        assert server.ask("/api/pm/list")[0] == 401
        log_in(server)
        status, text = server.ask("/api/pm/list")
        assert (status, [each["id"] for each in json.loads(text)]) == (200, ["clock"])
        assert server.ask("/api/pm/clock/stop", "POST")[0] == 403
        assert server.ask("/api/pm/clock/stop", "POST", **{"X-Processman": "1"})[0] == 200
        assert project.alive() == []
