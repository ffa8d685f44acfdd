"""What every test may use: paths, children, waiting for a condition, tools that may be missing."""
from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from processman import ProcessConfig
from processman.testing import wait_for_line

__all__ = [
    "CHILDREN", "CI", "ROOT", "TESTDATA", "child", "missing", "require", "require_root", "until", "wait_for_line",
]

ROOT = Path(__file__).resolve().parent.parent
TESTDATA = ROOT / "testdata"
CHILDREN = TESTDATA / "children"

#: on the machines that decide, a missing tool is a failure and not a reason to skip
CI = os.environ.get("CI") == "true"

T = TypeVar("T")


def until(condition: Callable[[], T], timeout: float = 10.0, what: str = "") -> T:
    """Return the first true answer of *condition*; *timeout* is a failure limit, never a measure."""
    deadline = time.monotonic() + timeout
    while not (answer := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"waited {timeout:g} s in vain for {what or condition}")
        threading.Event().wait(0.005)
    return answer


def child(id: str, script: str, *args: object, **more: Any) -> ProcessConfig:
    """Configure one of testdata/children, run by this interpreter."""
    options: dict[str, Any] = {"cwd": str(CHILDREN), "interpreter": sys.executable, "backoff": "1ms"}
    options |= {"script": str(CHILDREN / script), "args": tuple(str(arg) for arg in args)}
    return ProcessConfig(id=id, **options | more)


def require(tool: str) -> str:
    """Return the path of *tool*; without it the test is skipped here and fails where ``CI=true``."""
    found = shutil.which(tool)
    if found is None:
        missing(f"{tool} is not installed")
    return str(found)


def missing(reason: str) -> None:
    """Skip for *reason*, or fail for it where ``CI=true``."""
    if CI:
        pytest.fail(f"{reason}, and on this machine it has to be")
    pytest.skip(reason)


def require_root() -> None:
    """Skip (or fail, in CI) unless we are root."""
    if os.geteuid() != 0:
        missing("needs root")
