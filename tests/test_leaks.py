"""The look at what a test leaves behind sees it."""
from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest
from leaks import LINUX, Snapshot
from support import CHILDREN

pytestmark = pytest.mark.skipif(not LINUX, reason="looks into /proc")


def _thread() -> Callable[[], object]:
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait, name="forgotten")
    thread.start()
    return lambda: (ended.set(), thread.join())


def _descriptor() -> Callable[[], object]:
    ends = os.pipe()
    return lambda: [os.close(end) for end in ends]


def _zombie() -> Callable[[], object]:
    pid = os.posix_spawn("/bin/true", ["true"], os.environ)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    return lambda: os.waitpid(pid, 0)


def _daemon() -> Callable[[], object]:
    script = CHILDREN / "daemonises.py"
    said = subprocess.run([sys.executable, script], stdout=subprocess.PIPE, text=True, check=True).stdout
    return lambda: os.kill(int(said.split()[1]), signal.SIGKILL)


@pytest.mark.parametrize(("leave", "name"), [
    (_thread, "thread 'forgotten'"), (_descriptor, "descriptor of pipe:"), (_zombie, "(zombie)"),
    (_daemon, "daemonises.py"),
])
def test_what_is_left_behind_is_named(leave: Callable[[], Callable[[], object]], name: str) -> None:
    before = Snapshot.take(whole=True)
    assert before.news() == ()
    take_away = leave()
    try:
        assert [news for news in before.left(timeout=0) if name in news]
    finally:
        take_away()
    assert before.left(timeout=5) == ()


def test_what_is_left_behind_is_ended() -> None:
    before = Snapshot.take(whole=True)
    _daemon()
    before.clean()
    assert before.left(timeout=5) == ()
