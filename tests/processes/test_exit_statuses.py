"""How a process ended is told exactly: every exit code, every signal that ends one."""
from __future__ import annotations

import signal
from pathlib import Path

import pytest
from support import child

from processman import Manager, ProcessConfig

#: these do not end a process
HARMLESS = {
    signal.SIGCHLD, signal.SIGCONT, signal.SIGURG, signal.SIGWINCH,
    signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU,
}


@pytest.mark.parametrize("first", range(0, 256, 64))
def test_every_exit_code_is_told(manager: Manager, first: int) -> None:
    """T-exit-codes"""
    codes = range(first, first + 64)
    for code in codes:
        manager.register(ProcessConfig(id=f"c{code}", command="sh", args=("-c", f"exit {code}"), restart="never"))
    manager.start()
    for code in codes:
        status = manager.wait_for(f"c{code}", ("exited", "failed"), timeout=20)
        ends = ("failed", f"exit code {code}") if code else ("exited", "")
        assert (status.exit_code, status.signal, status.status, status.last_error) == (code, None, *ends)


def test_every_signal_is_told(manager: Manager) -> None:
    """T-exit-codes"""
    numbers = sorted(int(number) for number in signal.valid_signals() - HARMLESS)
    assert len(numbers) > 50
    for number in numbers:
        manager.register(child(f"s{number}", "dies_of.py", number, restart="never"))
    manager.start()
    for number in numbers:
        status = manager.wait_for(f"s{number}", ("exited", "failed"), timeout=30)
        name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
        assert (status.signal, status.exit_code, status.last_error) == (name, None, f"killed by {name}")


def test_death_with_a_core_is_a_signal_like_any(manager: Manager, tmp_path: Path) -> None:
    """T-exit-codes: whether the core could be written or not."""
    manager.register(ProcessConfig(
        id="dumps", command="sh", args=("-c", "ulimit -c unlimited; kill -ABRT $$"), cwd=str(tmp_path),
        restart="never",
    ))
    manager.start()
    status = manager.wait_for("dumps", "failed", timeout=10)
    assert (status.signal, status.exit_code) == ("SIGABRT", None)
