"""The table of what was measured, at the end of a run."""
from __future__ import annotations

import pytest
from servers.harness import Table

_TABLE = Table()


@pytest.fixture
def table() -> Table:
    """What is printed at the end."""
    return _TABLE


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print it."""
    for line in _TABLE.lines():
        terminalreporter.write_line(line)
