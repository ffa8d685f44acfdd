"""The API around an application: what goes where, who may come in, and the page that shows it."""
from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from support import ROOT, require, until
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client, EnvironBuilder
from wsgi.api import TOKEN, FakeManager, refusal

from processman import Config, Manager, autostart
from processman.middleware import Mounted, mount
from processman.wsgi import Identity, bearer

PAGE = (ROOT / "docs" / "wsgi.md").read_text()
CLOCK = re.compile(r"\d\d:\d\d:\d\d")


def mirror(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answer with what the application inside is asked."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{environ['SCRIPT_NAME']}|{environ['PATH_INFO']}".encode("latin-1")]


@pytest.fixture
def fake() -> FakeManager:
    made = FakeManager()
    made.add("web", "stopped")
    return made


def around(fake: FakeManager, prefix: str = "/api/pm", **options: Any) -> Mounted:
    return mount(mirror, fake, prefix, **{"auth": lambda environ: True} | options)  # type: ignore[arg-type]


@pytest.mark.parametrize("path", ["/", "", "/api", "/api/", "/api/pmx", "/api/pmx/list", "/API/pm/list",
                                  "/x/api/pm/list", "//api/pm/list", "/api/p%C3%A9"])  # fmt: skip
def test_everything_else_goes_to_the_application_as_it_came(fake: FakeManager, path: str) -> None:
    asked = EnvironBuilder(path=path).get_environ()
    answer = Client(around(fake)).open(path)
    assert answer.data.decode("latin-1") == f"|{asked['PATH_INFO']}"


@pytest.mark.parametrize("prefix", ["/api/pm", "/api/pm/", "/pm", "/a/b/c", "/café"])
@pytest.mark.parametrize("outer", ["", "/outer", "/outer/api/pm"])
def test_what_is_below_the_prefix_is_ours(fake: FakeManager, prefix: str, outer: str) -> None:
    app: Any = around(fake, prefix)
    client = Client(DispatcherMiddleware(mirror, {outer: app}) if outer else app)
    base = outer + prefix.rstrip("/")
    assert [process["id"] for process in client.get(f"{base}/list").json] == ["web"]
    assert client.post(f"{base}/web/start").json["id"] == "web"
    assert fake.calls == [("start", "web", False)]
    assert unquote(client.get(base).headers["Location"]) == f"./{base.rpartition('/')[2]}/"
    assert "text/html" in client.get(f"{base}/").headers["Content-Type"]
    for nothing in (f"{base}//", f"{base}//list", f"{base}/api/pm/list"):
        assert client.get(nothing).json == refusal(404, "There is nothing here.")
    assert client.get(f"{base}x").text.endswith("x")


def test_the_names_say_where_it_is_mounted_and_the_caller_keeps_its_own(fake: FakeManager) -> None:
    seen: list[tuple[str, str]] = []

    def auth(environ: dict[str, Any]) -> bool:
        seen.append((environ["SCRIPT_NAME"], environ["PATH_INFO"]))
        return True

    environ = EnvironBuilder(path="/api/pm/list", base_url="http://localhost/outer/").get_environ()
    before = dict(environ)
    b"".join(around(fake, auth=auth)(environ, lambda *_: None))
    assert seen == [("/outer/api/pm", "/list")]
    assert environ == before


def test_a_mount_around_a_mount(fake: FakeManager) -> None:
    other = FakeManager()
    other.add("other")
    client = Client(mount(around(fake, "/one"), other, "/two", auth=lambda environ: True))  # type: ignore[arg-type]
    assert client.get("/one/list").json[0]["id"] == "web"
    assert client.get("/two/list").json[0]["id"] == "other"
    assert client.get("/three").text == "|/three"


def test_nobody_comes_in_unless_let_in(fake: FakeManager) -> None:
    assert Client(around(fake, auth=None)).get("/api/pm/list").status_code == 403
    client = Client(around(fake, auth=bearer(TOKEN)))
    assert client.get("/api/pm/list").status_code == 401
    assert client.get("/api/pm/list", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    reader = Client(around(fake, auth=lambda environ: Identity("eve", role="read")))
    assert reader.post("/api/pm/web/start").status_code == 403
    assert Client(around(fake, hosts=["shop.example"])).get("/api/pm/list").status_code == 421
    assert fake.calls == []


def test_another_site_is_refused(fake: FakeManager) -> None:
    client = Client(around(fake))
    assert client.post("/api/pm/web/start", headers={"Origin": "https://evil.example"}).status_code == 403
    assert fake.calls == []


@pytest.mark.parametrize("prefix", ["", "/", "//", "api/pm", "/api//pm", "//api"])
def test_a_prefix_that_is_none_is_refused(fake: FakeManager, prefix: str) -> None:
    with pytest.raises(ValueError, match="cannot mount the API: the prefix must be a path below"):
        around(fake, prefix)


def test_user_code_finds_what_was_mounted(fake: FakeManager) -> None:
    app = around(fake)
    assert app.manager is fake
    assert app.app is mirror


# -- starting ---------------------------------------------------------------------------
def test_nothing_starts_in_a_test(tmp_path: Path) -> None:
    manager = Manager(Config(data_dir=tmp_path))
    mount(mirror, manager, auth=lambda environ: True)
    assert not manager.started


def test_it_starts_where_it_serves(monkeypatch: pytest.MonkeyPatch, manager: Manager) -> None:
    monkeypatch.setenv("PROCESSMAN_AUTOSTART", "1")
    mount(mirror, manager, auth=lambda environ: True)
    assert manager.started


def test_the_application_serves_when_the_file_is_broken(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path, manager: Manager
) -> None:
    monkeypatch.setenv("PROCESSMAN_AUTOSTART", "1")
    (tmp_path / "pb_processes.json").write_text('[{"id": "web", "comand": "x", "cwd": "."}]')
    client = Client(mount(mirror, manager, auth=lambda environ: True))
    assert not manager.started
    assert "command" in caplog.text
    assert [record.name for record in caplog.records if record.levelname == "ERROR"] == [autostart.__name__]
    assert client.get("/").text == "|/"
    assert client.get("/api/pm/list").json == []


# -- the page ---------------------------------------------------------------------------
def fenced(mark: str) -> str:
    """Return the block of the page below ``<!-- mark -->``."""
    found = re.search(rf"^<!-- {mark} -->\n```sh\n(.*?)^```$", PAGE, re.M | re.S)
    assert found, mark
    return found[1]


def answers() -> list[str]:
    """Return what the page says that is answered; the time may be any."""
    shown = PAGE[PAGE.index("<!-- command: ask -->"):].split("```text\n")[1].split("```")[0]
    return [CLOCK.sub("…", line) for line in shown.splitlines()]


def asked(command: str) -> str:
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=20)
    return CLOCK.sub("…", done.stdout.strip())


def installed(folder: Path) -> None:
    """Make what the first part of the line makes, of what is installed here."""
    program = folder / ".venv" / "bin" / "waitress-serve"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m waitress "$@"\n')
    program.chmod(0o755)


def test_the_example_answers_as_the_page_says(tmp_path: Path) -> None:
    require("curl")
    shutil.copytree(ROOT / "examples" / "wsgi", tmp_path / "examples" / "wsgi",
                    ignore=shutil.ignore_patterns("__pycache__"))  # fmt: skip
    installed(tmp_path)
    *before, line = fenced("command: wsgi").strip().split(" && ")
    assert before == ["python3 -m venv .venv", ".venv/bin/pip install -q . waitress"]
    line = line.replace(":8080", ":0").replace("PYTHONPATH=", f"PYTHONPATH={ROOT}:")
    with (tmp_path / "out").open("w") as out:
        server = subprocess.Popen(["bash", "-c", f"exec env {line}"], cwd=tmp_path, stdout=out, stderr=out,
                                  env={**os.environ, "PYTHONUNBUFFERED": "1"})  # fmt: skip
    try:
        found = until(lambda: re.search(r"http://127\.0\.0\.1:\d+", (tmp_path / "out").read_text()))
        typed = fenced("command: ask").replace("http://127.0.0.1:8080", found[0])
        until(lambda: asked(typed.splitlines()[0]) == answers()[0])
        assert [asked(command) for command in typed.splitlines()] == answers()
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(20)
