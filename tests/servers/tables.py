"""What is measured of servers, as the documentation shows it."""
from __future__ import annotations

from collections.abc import Iterator, Sequence


class Table:
    """What was measured, by server and event."""

    def __init__(self) -> None:
        self._cells: dict[str, dict[str, str]] = {}

    def add(self, row: str, column: str, text: str) -> None:
        """Fill one cell."""
        self._cells.setdefault(row, {})[column] = text

    def lines(self, columns: Sequence[str]) -> Iterator[str]:
        """Yield, in Markdown, the rows that have something in *columns*, with those columns that have."""
        rows = {name: row for name, row in self._cells.items() if not row.keys().isdisjoint(columns)}
        used = [column for column in columns if any(column in row for row in rows.values())]
        if rows:
            yield f"| server | {' | '.join(used)} |"
            yield "|---" * (len(used) + 1) + "|"
        for name, row in rows.items():
            yield f"| {name} | {' | '.join(row.get(column, '') for column in used)} |"
