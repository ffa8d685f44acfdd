"""Which executable runs a script or command."""
from __future__ import annotations

import os
from pathlib import Path

import pytest

from processman.config import ProcessConfig
from processman.interpreter import Interpreter, NotFound, choose, find

PATH_ONLY = ["python3", "node", "bun", "tsx", "ts-node", "deno"]


def program(path: Path, *, mode: int = 0o755) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(mode)
    return path


@pytest.fixture
def cwd(tmp_path: Path) -> Path:
    (tmp_path / "cwd").mkdir()
    return tmp_path / "cwd"


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A PATH with the programs a full machine has."""
    for name in PATH_ONLY:
        program(tmp_path / "bin" / name)
    return str(tmp_path / "bin")


def chosen(cwd: Path, path: str, script: str, **more: str) -> Interpreter:
    return choose(ProcessConfig(id="x", script=script, cwd=str(cwd), **more), path)


@pytest.mark.parametrize(("script", "present", "expected"), [
    ("a.py", [".venv/bin/python", "venv/bin/python"], ".venv/bin/python"),
    ("a.py", ["venv/bin/python"], "venv/bin/python"),
    ("a.py", [], "python3"),
    ("a.PY", [], "python3"),
    ("a.JS", [], "node"),
    ("sub/a.py", ["sub/.venv/bin/python"], "python3"),
    ("a.js", [".venv/bin/python"], "node"),
    ("a.mjs", [], "node"),
    ("a.cjs", [], "node"),
    ("a.ts", ["node_modules/.bin/tsx", "node_modules/.bin/ts-node"], "node_modules/.bin/tsx"),
    ("a.ts", ["node_modules/.bin/ts-node"], "node_modules/.bin/ts-node"),
    ("a.mts", [], "bun"),
    ("a.ts", [], "bun"),
    ("a", [], "python3"),
    ("a.txt", [".venv/bin/python"], ".venv/bin/python"),
    (".py", [], "python3"),
])
def test_automatic_interpreter(
    cwd: Path, path: str, script: str, present: list[str], expected: str
) -> None:
    for name in present:
        program(cwd / name)
    found = chosen(cwd, path, script)
    below = "/" in expected
    assert found.argv == (str(cwd / expected) if below else f"{path}/{expected}",)
    assert found.display == (str(cwd / expected) if below else expected)
    assert found.venv == (str((cwd / expected).parent.parent) if "venv" in expected else None)


def test_node_runs_typescript_where_there_is_nothing_else(cwd: Path, tmp_path: Path) -> None:
    program(tmp_path / "few" / "node")
    assert chosen(cwd, str(tmp_path / "few"), "a.ts").display == "node"


def test_unset_means_auto(cwd: Path, path: str) -> None:
    assert chosen(cwd, path, "a.js", interpreter="auto").display == "node"


@pytest.mark.parametrize("name", ["serve", "serve.sh", "serve.rb"])
def test_executable_script_runs_itself(cwd: Path, path: str, name: str) -> None:
    program(cwd / name)
    assert chosen(cwd, path, name) == Interpreter((), "", None)


def test_executable_python_script_is_still_run_by_python(cwd: Path, path: str) -> None:
    program(cwd / "a.py")
    assert chosen(cwd, path, "a.py").display == "python3"


@pytest.mark.parametrize("spoil", [
    lambda python: python.chmod(0o644),
    lambda python: (python.unlink(), python.symlink_to("/nowhere/python")),
    lambda python: (python.unlink(), python.mkdir()),
    lambda python: python.unlink(),
], ids=["no x permission", "link to nowhere", "directory", "gone"])
def test_found_means_it_can_be_executed(cwd: Path, path: str, spoil: object) -> None:
    spoil(program(cwd / ".venv" / "bin" / "python"))  # type: ignore[operator]
    assert chosen(cwd, path, "a.py").display == "python3"


def test_looked_up_again_at_every_start(cwd: Path, path: str) -> None:
    assert chosen(cwd, path, "a.py").display == "python3"
    python = program(cwd / ".venv" / "bin" / "python")
    assert chosen(cwd, path, "a.py").display == str(python)
    python.unlink()
    assert chosen(cwd, path, "a.py").display == "python3"


def test_python_of_a_venv_is_not_followed_to_its_target(cwd: Path, path: str, tmp_path: Path) -> None:
    link = cwd / ".venv" / "bin" / "python"
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / "bin" / "python3")
    assert chosen(cwd, path, "a.py").argv == (str(link),)


@pytest.mark.parametrize(("asked", "made"), [
    ("./tools/run", "tools/run"), ("tools/run", "tools/run"), ("../other/run", "../other/run"),
])
def test_interpreter_with_a_slash_is_seen_from_the_cwd(cwd: Path, path: str, asked: str, made: str) -> None:
    program(cwd / made)
    found = chosen(cwd, path, "a.py", interpreter=asked)
    assert found == Interpreter((str(cwd / made),), str(cwd / made), None)


def test_absolute_interpreter(cwd: Path, path: str, tmp_path: Path) -> None:
    asked = program(tmp_path / "elsewhere" / "python")
    assert chosen(cwd, path, "a.js", interpreter=str(asked)).argv == (str(asked),)


def test_interpreter_without_a_slash_is_looked_for_on_the_path(cwd: Path, path: str) -> None:
    program(cwd / "deno")
    assert chosen(cwd, path, "a.js", interpreter="deno") == Interpreter((f"{path}/deno",), "deno", None)


def test_asked_interpreter_in_a_venv_belongs_to_it(cwd: Path, path: str, tmp_path: Path) -> None:
    python = program(tmp_path / "env" / "bin" / "python")
    (tmp_path / "env" / "pyvenv.cfg").touch()
    assert chosen(cwd, path, "a.py", interpreter=str(python)).venv == str(tmp_path / "env")


@pytest.mark.parametrize(("script", "more", "asked", "why"), [
    ("a.py", {}, "python3", "it is not on the PATH, and there is no .venv/bin/python or venv/bin/python"),
    ("a", {}, "python3", "it is not on the PATH, and there is no .venv/bin/python or venv/bin/python"),
    ("a.js", {}, "node", "it is not on the PATH"),
    ("a.js", {"interpreter": "deno"}, "deno", "it is not on the PATH"),
    ("a.js", {"interpreter": "./deno"}, "./deno", "there is no such file"),
    ("a.js", {"interpreter": "./sub"}, "./sub", "it is a directory"),
    ("a.js", {"interpreter": "./plain"}, "./plain", "it may not be executed (no x permission)"),
    ("a.js", {"interpreter": "./link"}, "./link", "it is a link to nowhere"),
    ("a.js", {"interpreter": "./plain/deno"}, "./plain/deno", "not a directory"),
])
def test_no_interpreter(
    cwd: Path, tmp_path: Path, script: str, more: dict[str, str], asked: str, why: str
) -> None:
    """F-spawn-taxonomy"""
    (cwd / "sub").mkdir()
    (cwd / "plain").touch()
    (cwd / "link").symlink_to("nowhere")
    with pytest.raises(NotFound) as caught:
        chosen(cwd, str(tmp_path / "empty"), script, **more)
    assert (caught.value.program, caught.value.why) == (asked, why)


@pytest.mark.parametrize("entry", ["", ".", "bin", "./bin", "../cwd/bin"])
def test_relative_entry_of_the_path_means_the_cwd_of_the_child(cwd: Path, entry: str) -> None:
    made = program(cwd / ("bin" if "bin" in entry else ".") / "tool")
    found = find("tool", str(cwd), os.pathsep.join(["/nowhere", entry]))
    assert Path(found).samefile(made)
    assert Path(found).is_absolute()


def test_first_entry_of_the_path_that_can_be_executed_wins(tmp_path: Path) -> None:
    program(tmp_path / "a" / "tool", mode=0o644)
    (tmp_path / "b" / "tool").mkdir(parents=True)
    program(tmp_path / "c" / "tool")
    program(tmp_path / "d" / "tool")
    path = os.pathsep.join(str(tmp_path / name) for name in "abcd")
    assert find("tool", "/", path) == str(tmp_path / "c" / "tool")
