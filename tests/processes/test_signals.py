"""Signals of a host that shares its processes go to its own threads."""
from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from processes.keepers import Ground
from support import child, until, wait_for_line

from processman import Event, Manager


@pytest.mark.skipif(sys.platform != "linux", reason="threads can be looked at on Linux alone")
def test_no_thread_of_ours_takes_a_signal_and_a_subscriber_is_as_any_other(ground: Ground) -> None:
    """H-signals-untouched, P10: handlers of uWSGI end nothing in threads that it does not know."""
    spawned: list[str] = []

    def spawn(_: Event) -> None:
        show = "import signal; print(sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())))"
        spawned.append(subprocess.run([sys.executable, "-c", show], capture_output=True, text=True).stdout)

    with Manager(ground.config()) as manager:
        manager.subscribe(spawn)
        manager.register(child("p", "waits.py"))
        wait_for_line(manager, "p", "ready")
        until(lambda: spawned)
        ours = {thread.name: blocked(thread) for thread in threading.enumerate() if "processman" in thread.name}
        assert {"processman-seat", "processman-desk"} <= ours.keys()
        assert {name for name, signals in ours.items() if signal.SIGTERM not in signals} <= {"processman-observers"}
        assert signal.SIGTERM not in blocked(threading.main_thread())
    assert set(spawned) == {"[]\n"}


def blocked(thread: threading.Thread) -> set[int]:
    """Return the signals that *thread* leaves to others."""
    lines = Path(f"/proc/self/task/{thread.native_id}/status").read_text().splitlines()
    mask = int(next(line for line in lines if line.startswith("SigBlk:")).split()[1], 16)
    return {number for number in range(1, 65) if mask >> (number - 1) & 1}
