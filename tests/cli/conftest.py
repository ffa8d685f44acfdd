"""The command line under test: ``processman up`` in a process of its own, everything else in this one."""
from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli.command import Up
from support import ROOT

from processman import cli


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    directory = tmp_path / "data"
    directory.mkdir()
    made = Up(directory)
    yield made
    made.end()


@pytest.fixture
def run(capsys, up):
    """Run a command on the directory of *up*; return its exit code, its output, and what it complained of."""
    def run(verb: str, *arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            code = cli.main([verb, "--dir", str(up.directory), *map(str, arguments)])
        except SystemExit as error:
            code = int(error.code or 0)
        return (code, *capsys.readouterr())

    return run


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    """Without what the terminal of whoever runs the tests may have set."""
    for name in ("NO_COLOR", "PROCESSMAN_TOKEN", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
