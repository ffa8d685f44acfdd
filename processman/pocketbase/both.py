"""A line bridge made of two: what processes print goes over both."""
from __future__ import annotations

from ..bridge import LineBridge
from ..events import Stream
from ..journal import Journal


class Both:
    """Follows every journal over *first* and over *second*."""

    def __init__(self, first: LineBridge, second: LineBridge) -> None:
        self._bridges = (first, second)

    def follow(self, journal: Journal) -> None:
        """Follow one more journal, from its next line on."""
        offers = []
        for bridge in self._bridges:
            bridge.follow(journal)
            offers.append(journal.on_append)

        def offer(stream: Stream) -> None:
            for each in offers:
                if each is not None:
                    each(stream)

        journal.on_append = offer

    def forget_closed(self) -> None:
        """Let go of the journals that are closed, once their last line is delivered."""
        for bridge in self._bridges:
            bridge.forget_closed()

    def close(self) -> None:
        """Deliver what there is, and end."""
        for bridge in self._bridges:
            bridge.close()
