"""docs/flask.md and examples/flask: what the page says to type, typed, and every application in it, loaded."""
from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from support import ROOT, missing, require, until

if find_spec("flask") is None:
    missing("Flask is not installed")

PAGE = (ROOT / "docs" / "flask.md").read_text()
APPLICATIONS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S)


def fenced(mark: str) -> str:
    """Return the block of the page below ``<!-- mark -->``."""
    found = re.search(rf"^<!-- {mark} -->\n```sh\n(.*?)^```$", PAGE, re.M | re.S)
    assert found, mark
    return found[1]


def answers() -> list[str]:
    """Return what the page says that is answered; the time may be any."""
    shown = PAGE[PAGE.index("<!-- command: ask -->"):].split("```text\n")[1].split("```")[0]
    return [re.sub(r"\d\d:\d\d:\d\d", "…", line) for line in shown.splitlines()]


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "FLASK"))}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1", **more}


def installed(folder: Path) -> None:
    """Make what the first part of the line makes, of what is installed here."""
    program = folder / ".venv" / "bin" / "flask"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m flask "$@"\n')
    program.chmod(0o755)


def test_the_example_answers_as_the_page_says(tmp_path: Path) -> None:
    require("curl")
    ignored = shutil.ignore_patterns(".processman", "__pycache__")
    shutil.copytree(ROOT / "examples" / "flask", tmp_path / "examples" / "flask", ignore=ignored)
    installed(tmp_path)
    *before, line = fenced("command: flask").strip().split(" && ")
    assert before == ["python3 -m venv .venv", ".venv/bin/pip install -q '.[flask]'"]
    with (tmp_path / "out").open("w") as out:
        server = subprocess.Popen(["bash", "-c", f"exec env {line}"], cwd=tmp_path, stdout=out, stderr=out,
                                  env=environment(FLASK_RUN_PORT="0"))  # fmt: skip
    try:
        found = until(lambda: re.search(r"http://127\.0\.0\.1:\d+", (tmp_path / "out").read_text()))
        typed = fenced("command: ask").replace("http://127.0.0.1:5000", found[0])
        until(lambda: asked(typed.splitlines()[0]) == answers()[0])
        assert [asked(command) for command in typed.splitlines()] == answers()
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(20)


def asked(command: str) -> str:
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=20)
    return re.sub(r"\d\d:\d\d:\d\d", "…", done.stdout.strip())


@pytest.mark.parametrize("text", APPLICATIONS, ids=["tokens", "factory"])
def test_every_application_of_the_page_loads(text: str, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(text)
    done = subprocess.run([sys.executable, "-m", "flask", "routes"], cwd=tmp_path, timeout=30, text=True,
                          env=environment(PM_TOKEN="a-token-for-tests"), capture_output=True)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "/api/pm/<path:path>" in done.stdout


def test_the_command_of_the_example_needs_no_token(tmp_path: Path) -> None:
    ignored = shutil.ignore_patterns(".processman", "__pycache__")
    shutil.copytree(ROOT / "examples" / "flask", tmp_path / "flask", ignore=ignored)
    without = {name: value for name, value in environment().items() if name != "PM_TOKEN"}
    asked = subprocess.run([sys.executable, "-m", "flask", "--app", "flask/app", "processman", "ls"], cwd=tmp_path,
                           env=without, capture_output=True, text=True)  # fmt: skip
    assert (asked.returncode, asked.stderr.count("\n")) == (4, 1), asked.stderr
