"""What README.md and docs/pocketbase.md tell a new user to type."""
from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

from pocketbase_project import Project
from pocketbase_server import free_port
from support import ROOT, until


def typed(name: str) -> list[str]:
    found = re.search(r"^<!-- command: pocketbase -->\n```sh\n(.*?)^```$", (ROOT / name).read_text(), re.M | re.S)
    assert found
    return found[1].splitlines()


def test_these_lines_are_all_it_takes(project: Project, tmp_path: Path) -> None:
    get, install, serve = typed("docs/pocketbase.md")
    assert [get, install, serve] == typed("README.md")
    assert get == "pip install processman"
    project.hook.unlink()
    project.write(project.child("web"))
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "processman").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m processman "$@"\n')
    (programs / "processman").chmod(0o755)
    (programs / "pocketbase").symlink_to(project.binary)
    environment = project.environment | {"PATH": f"{programs}:{project.environment['PATH']}"}
    assert subprocess.run(shlex.split(install), cwd=project.directory, env=environment).returncode == 0
    project.port = free_port()
    with (project.directory / "pocketbase.log").open("ab") as log:
        project.servers.append(subprocess.Popen(
            [*shlex.split(serve), "--http", f"127.0.0.1:{project.port}"], cwd=project.directory, env=environment,
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        ))  # fmt: skip
    until(lambda: project.starts("web"), 20)
    token = project.superuser()
    until(lambda: project.status("web", token).get("status") == "running")
