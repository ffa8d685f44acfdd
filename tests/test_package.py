"""The package as people get it: a wheel, in a fresh environment, outside the checkout."""
from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
from support import ROOT

PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")


def run(*command: str | Path, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run *command* outside the checkout, with nothing of it on the path."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV"))}
    done = subprocess.run(command, cwd=cwd, env=kept | more, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy, so that the checkout stays clean."""
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT / "processman", folder / "source" / "processman")
    for name in ("setup.py", "setup.cfg", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / "source")
    run(*PIP, "wheel", "--no-deps", "--wheel-dir", folder, folder / "source", cwd=folder)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Path:
    """Install the wheel and what it asks for into a fresh environment; return the folder of its programs."""
    home = wheel.parent / "venv"
    run(sys.executable, "-m", "venv", home, cwd=wheel.parent)
    programs = home / ("Scripts" if os.name == "nt" else "bin")
    run(programs / "python", "-m", "pip", "-q", "--disable-pip-version-check", "install", wheel, cwd=home)
    return programs


def test_wheel_holds_the_package_the_schema_and_the_types(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "processman/py.typed" in names
    assert "processman/schema/pb_processes.schema.json" in names
    assert "processman/pocketbase/hook.pb.js.in" in names
    dashboard = {path.name for path in (ROOT / "processman" / "dashboard").iterdir()}
    assert {f"processman/dashboard/{name}" for name in dashboard} <= set(names)
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"processman"}
    assert {path.relative_to(ROOT).as_posix() for path in (ROOT / "processman").rglob("*.py")} <= set(names)


def test_wheel_asks_for_four_packages_and_no_more(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    [metadata] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
    fields = Parser().parsestr(archive.read(metadata).decode())
    wanted = [value for value in fields.get_all("Requires-Dist", []) if "extra" not in value]
    assert sorted(value.replace(" ", "") for value in wanted) == [
        "jsonschema>=4.18", "psutil>=5.9", "watchdog<7,>=4", "werkzeug>=3.0",
    ]
    assert fields["License"] == "MIT"
    assert fields["Requires-Python"] == ">=3.11"


def test_command_says_its_version_however_it_is_called(installed: Path, tmp_path: Path) -> None:
    command = run(installed / "processman", "--version", cwd=tmp_path).stdout
    module = run(installed / "python", "-m", "processman", "--version", cwd=tmp_path).stdout
    look = "import processman; print(processman.__version__, processman.__file__)"
    version, file = run(installed / "python", "-c", look, cwd=tmp_path).stdout.split()
    assert command == module == f"processman {version}\n"
    assert Path(file).is_relative_to(installed.parent)


def test_installed_command_checks_a_file(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "pb_processes.json").write_text(json.dumps([{"id": "web", "command": "true", "cwd": "."}]))
    run(installed / "processman", "check", "--dir", tmp_path, cwd=tmp_path)
