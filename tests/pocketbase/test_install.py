"""``processman pocketbase install``, ``uninstall`` and ``status``, without PocketBase and beside one."""
from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pocketbase_project import Project
from support import require, until

from processman import __version__, cli
from processman.pocketbase.hookfile import BRIDGES, HookFile, render


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    os.chdir("/")


@pytest.fixture
def hook(site: Path) -> Path:
    return site / "pb_hooks" / "processman.pb.js"


def test_install_writes_one_file_and_says_what_is_next(
    site: Path, hook: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["pocketbase", "install"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("wrote pb_hooks/processman.pb.js")
    assert "there is no such file yet" in out
    assert "one that runs has to be restarted" in out
    assert "/_processman/" in out
    assert [path.relative_to(site) for path in site.rglob("*")] == [Path("pb_hooks"), hook.relative_to(site)]


def test_install_twice_touches_nothing(site: Path, hook: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["pocketbase", "install"])
    before = hook.stat()
    assert cli.main(["pocketbase", "install"]) == 0
    out = capsys.readouterr().out
    assert "nothing to do" in out
    assert "one that runs has seen the file already" in out
    assert (hook.stat().st_mtime_ns, hook.stat().st_ino) == (before.st_mtime_ns, before.st_ino)


def test_install_replaces_an_older_one_of_ours(site: Path, hook: Path) -> None:
    cli.main(["pocketbase", "install"])
    hook.write_text(hook.read_text().replace(__version__, "0.0.1"))
    assert HookFile(site).version() == "0.0.1"
    assert cli.main(["pocketbase", "install", str(site), "--bridge", "none"]) == 0
    assert HookFile(site).version() == __version__
    assert '"bridge": "none"' in hook.read_text()


@pytest.mark.parametrize("word", ["install", "uninstall", "status"])
def test_a_file_of_somebody_else_is_left_alone(
    word: str, site: Path, hook: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hook.parent.mkdir()
    hook.write_text("// my own\n")
    assert cli.main(["pocketbase", word]) == 1
    assert "somebody else wrote it" in capsys.readouterr().err
    assert hook.read_text() == "// my own\n"


@pytest.mark.parametrize("word", ["install", "uninstall", "status"])
def test_each_needs_a_directory(word: str, site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["pocketbase", word, "nowhere"]) == 2
    assert capsys.readouterr().err == f"processman: cannot {word} in nowhere: there is no such directory\n"


def test_uninstall_leaves_the_configuration(site: Path, hook: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (site / "pb_data").mkdir()
    file = site / "pb_data" / "pb_processes.json"
    file.write_text("[]")
    cli.main(["pocketbase", "install"])
    for said in ("removed", "there is no"):
        capsys.readouterr()
        assert cli.main(["pocketbase", "uninstall"]) == 0
        assert capsys.readouterr().out.startswith(said)
    assert [path for path in site.rglob("*") if path.is_file()] == [file]


def test_status_says_what_is_missing(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["pocketbase", "status"]) == 1
    assert "hook       not ok missing; install it: processman pocketbase install" in capsys.readouterr().out


def test_status_names_a_python_that_has_moved(site: Path, hook: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["pocketbase", "install"])
    hook.write_text(hook.read_text().replace(sys.executable, "/nowhere/python3"))
    capsys.readouterr()
    assert cli.main(["pocketbase", "status"]) == 1
    out = capsys.readouterr().out
    assert "its Python, /nowhere/python3, is missing; install it" in out
    assert "start PocketBase" not in out


@pytest.mark.parametrize("bridge", BRIDGES)
def test_the_hook_is_small_and_holds_what_was_asked(bridge: str) -> None:
    text = render(bridge)
    assert f'"bridge": "{bridge}"' in text
    assert not re.search("@[A-Z]+@", text)
    assert len(text.splitlines()) <= 200


def test_the_hook_is_javascript(tmp_path: Path) -> None:
    (tmp_path / "hook.js").write_text(render("all"))
    assert subprocess.run([require("node"), "--check", tmp_path / "hook.js"]).returncode == 0


# -- beside PocketBase ---------------------------------------------------------------
def test_status_when_all_is_well_and_when_not(project: Project) -> None:
    project.write(project.child("web"))
    project.start()
    done = project.processman("pocketbase", "status", "--json")
    assert done.returncode == 0, done.stdout
    said = json.loads(done.stdout)
    assert {name: row["ok"] for name, row in said.items()} == {"hook": True, "manager": True, "pocketbase": True}
    text = project.hook.read_text()
    project.hook.write_text(text.replace(f"// processman {__version__}", "// processman 0.0.1"))
    done = project.processman("pocketbase", "status")
    assert done.returncode == 1
    assert "version 0.0.1" in done.stdout


def test_the_other_commands_find_the_manager(project: Project) -> None:
    project.write(project.child("web"))
    project.start()
    assert "web" in project.processman("ls", "--dir", "pb_data").stdout
    done = project.processman("up", "--dir", "pb_data", "--http", "127.0.0.1:0")
    assert done.returncode == 1
    assert f"the manager of PocketBase runs there: pid {project.manager}," in done.stderr


def test_uninstall_ends_what_was_started(project: Project) -> None:
    project.write(project.child("web"))
    server = project.start()
    pid = until(lambda: project.starts("web"))[0]
    done = project.processman("pocketbase", "uninstall")
    assert done.returncode == 0, done.stderr
    assert project.life("web") == [("start", pid), ("farewell", pid)]
    assert not (project.data / ".processman").exists()
    assert (project.data / "pb_processes.json").exists()
    assert server.poll() is None


def test_installed_while_pocketbase_runs_it_begins_at_once(project: Project) -> None:
    """PocketBase watches its hooks."""
    project.hook.unlink()  # its folder stays, or there would be nothing to watch
    project.write(project.child("web"))
    server = project.serve()
    until(lambda: project.ask("GET", "/api/health").status == 200)
    project.install()
    until(lambda: project.starts("web"), 20)
    until(lambda: project.state().get("host") == server.pid)


def test_why_no_manager_leads_is_told_wherever_one_looks(project: Project) -> None:
    why = "needs exactly one of script and command"
    project.write({"id": "web", "cwd": "."})
    project.serve()
    until(lambda: project.state().get("told"), 20)
    done = project.processman("pocketbase", "status")
    assert done.returncode == 1
    assert why in done.stdout
    assert why in project.processman("ls", "--dir", "pb_data").stderr
    assert why in (project.directory / "pocketbase.log").read_text()
    token = project.superuser()
    until(lambda: [why in row["message"] for row in project.rows(token)] == [True], 15)


def test_pocketbase_says_each_error_once(project: Project) -> None:
    def said() -> list[str]:
        lines = (project.directory / "pocketbase.log").read_text().splitlines()
        return [line for line in lines if "processman:" in line]

    project.write({"id": "web", "cwd": "."})
    project.serve()
    until(said, 20)
    until(lambda: project.state().get("told"))
    token = project.superuser()
    for _ in range(2):  # each call has the file read again
        assert project.ask("GET", "/api/pm/list", token).status == 503
    project.write({"id": "no way", "command": "x", "cwd": "."})
    until(lambda: project.ask("GET", "/api/pm/list", token).status == 503 and len(said()) > 1, 20)
    until(lambda: "must be 1 to 64" in project.state().get("told", ["", ""])[1])
    assert len(said()) == 2
