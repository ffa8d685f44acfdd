"""Host programs of testdata/hosts, each in a process of its own."""
from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from support import ROOT, TESTDATA

HOSTS = TESTDATA / "hosts"


def begin(directory: Path, script: str, *args: object, **more: Any) -> subprocess.Popen[str]:
    """Start a host whose manager works on *directory*."""
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, str(HOSTS / script), *map(str, args)], text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": paths, "HOST_DIRECTORY": str(directory), "PYTHONDONTWRITEBYTECODE": "1"},
        **more,
    )


def finish(host: subprocess.Popen[str], timeout: float = 60) -> tuple[int, list[dict[str, Any]], str]:
    """Wait for its end; return its exit code, what it told, and what it complained of."""
    try:
        out, err = host.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        host.kill()
        host.communicate()
        raise
    return host.returncode, [json.loads(line) for line in out.splitlines()], err


def told(
    directory: Path, script: str, *args: object, patience: float = 60, **more: Any
) -> list[dict[str, Any]]:
    """Run a host to its end, which has to be a good one, and return what it told."""
    code, facts, err = finish(begin(directory, script, *args, **more), patience)
    assert code == 0, err
    return facts


def is_alive(pid: int) -> bool:
    """Tell whether *pid* runs; a zombie that nobody reaps does not."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
