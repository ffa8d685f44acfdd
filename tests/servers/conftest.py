"""The tables of what was measured, at the end of a run."""
from __future__ import annotations

import pytest
from servers.tables import Table

_TABLE = Table()
#: what happens to a host that goes on, how it ends, and what takes its own time
_TABLES = [
    ["HUP", "USR2, TERM", "leader killed", "leader told to end", "all workers killed", "worker hangs", "recycling",
     "3 edits", "fork", "multiprocessing"],
    ["TERM", "Ctrl-C", "KILL", "KILL to all", "TERM to all", "in a container"],
    ["200, 503, no answer; from 503 to 200"],
]  # fmt: skip


@pytest.fixture
def table() -> Table:
    """What is printed at the end."""
    return _TABLE


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print it."""
    for columns in _TABLES:
        for line in _TABLE.lines(columns):
            terminalreporter.write_line(line)
