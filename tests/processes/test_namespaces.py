"""In a pid namespace of its own: numbers given to strangers, orphans, and a manager that may not do everything."""
from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from processes.host import HOSTS, begin, finish
from support import CHILDREN, ROOT, missing, require, require_root, until

NAMESPACE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")


@pytest.fixture
def namespace(tmp_path: Path) -> tuple[list[str], dict[str, Any]]:
    """What begins a command that is to run as the first process of its own namespace, and Popen's options."""
    require("unshare")
    require_root()
    if subprocess.run([*NAMESPACE, "true"], check=False, capture_output=True, timeout=20).returncode:
        missing("no pid namespaces can be made here")
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    more = {"PYTHONPATH": paths, "HOST_DIRECTORY": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    return [*NAMESPACE, sys.executable], {"env": os.environ | more, "text": True}


@pytest.mark.parametrize("rounds", [3, pytest.param(100, marks=pytest.mark.soak)])
@pytest.mark.parametrize("what", ["member", "leader"])
def test_strangers_with_reused_numbers_are_not_hurt(
    namespace: tuple[list[str], dict[str, Any]], what: str, rounds: int
) -> None:
    """T-pidreuse, T-pgidreuse: no number of a leader can be had as long as its tree is waited for."""
    command, options = namespace
    done = subprocess.run(
        [*command, str(HOSTS / "reuses_pids.py"), what, str(rounds)], capture_output=True, timeout=190, check=False,
        **options,
    )
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["hurt"] == 0
    assert facts["given"][what] > 0
    assert facts["given"]["pinned"] == 0


def zombies_of(parent: int) -> list[int]:
    """Return the children of *parent* that nobody has reaped."""
    found = []
    for path in (each / "stat" for each in Path("/proc").iterdir() if each.name.isdigit()):
        try:
            state, ppid = path.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if state == "Z" and int(ppid) == parent:
            found.append(int(path.parent.name))
    return found


@pytest.fixture
def first(namespace: tuple[list[str], dict[str, Any]], tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """``processman up`` as the first process of a namespace, with orphans; its pid, and the file of its output."""
    entries = [
        {"id": "orphans", "args": ["1000"], "script": str(CHILDREN / "makes_orphans.py")},
        {"id": "exits", "args": ["7"], "script": str(CHILDREN / "exits_with.py"), "backoff": "1ms"},
    ]
    (tmp_path / "pb_processes.json").write_text(json.dumps([entry | {"cwd": "."} for entry in entries]))
    command, options = namespace
    output = tmp_path / "output"
    with output.open("w") as file:
        host = subprocess.Popen(
            [*command, "-m", "processman", "up", "--dir", str(tmp_path), "--http", "127.0.0.1:0"],
            stdout=file, stderr=file, **options,
        )
    try:
        inside = Path(f"/proc/{host.pid}/task/{host.pid}/children")
        yield int(until(inside.read_text).split()[0]), output
    finally:
        host.kill()
        host.wait(10)


def test_first_process_reaps_orphans_and_no_leader(first: tuple[int, Path]) -> None:
    """T-zombies: a thousand of them, half in sessions of their own; how leaders ended is not lost."""
    pid, output = first
    until(lambda: zombies_of(pid), timeout=60, what="orphans")
    until(lambda: "[orphans] ready" in output.read_text(), timeout=60)
    until(lambda: not zombies_of(pid), timeout=20, what="the reaping of orphans")
    os.kill(pid, signal.SIGTERM)
    until(lambda: not Path(f"/proc/{pid}").exists(), timeout=20)
    assert "exits has crashed: exit code 7" in output.read_text()
    assert "unknown" not in output.read_text()


@pytest.mark.parametrize("manner", ["restart", "remove"])
def test_what_may_not_be_signalled_is_named_and_not_doubled(tmp_path: Path, manner: str) -> None:
    """T-eperm: the status says so until it is gone, and then what was asked happens."""
    require_root()
    host = begin(tmp_path, "loses_privileges.py", manner)
    assert host.stdout is not None
    try:
        told = [json.loads(host.stdout.readline()) for _ in range(2)]
        name = f"foreign (pid {told[0]['child']})"
        for facts in told:
            assert facts["raised"] == [f"cannot stop process 'foreign': still alive after SIGKILL: {name}", [name]]
            assert (facts["status"], facts["escaped"], facts["run"]) == ("stopping", [name], 1)
        assert told[1]["known"] is True
    finally:
        os.kill(told[0]["child"], signal.SIGKILL)
        code, facts, err = finish(host)
    assert (code, err) == (0, "")
    assert (facts[0]["run"], facts[0]["escaped"]) == ((2, []) if manner == "restart" else (1, []))
