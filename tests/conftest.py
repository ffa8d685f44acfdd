"""Fixtures of all tests: nothing may be left behind, and a manager that is stopped at the end."""
from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from leaks import Snapshot

from processman import Config, Manager

#: how long what a test started may take to go after its end; a failure limit
GRACE = 5.0
HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE)

# who was put into the background by a script ignores Ctrl-C, and every host under test would inherit that
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def nothing_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves a thread, a process or a descriptor behind."""
    before = Snapshot.take(whole="unit" not in request.path.parts)
    yield
    if left := before.left(GRACE):
        before.clean()
        pytest.fail("left behind:\n  " + "\n  ".join(left))


def _host_settings() -> tuple[object, ...]:
    mask = os.umask(0o022)
    os.umask(mask)
    return (Path.cwd(), mask, *(signal.getsignal(number) for number in HANDLED))


@pytest.fixture(autouse=True)
def nothing_changed() -> Iterator[None]:
    """Fail a test after which the working directory, the umask or a signal handler is another."""
    before = _host_settings()
    yield
    assert _host_settings() == before


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    """A manager on *tmp_path*, not started yet; it is stopped at the end."""
    made = Manager(Config(data_dir=str(tmp_path)))
    yield made
    made.stop()
