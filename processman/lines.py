"""Bytes into lines: where to cut what a process writes, and how to show it.

``\n`` alone ends a line. What follows the last one waits as :attr:`LineCutter.rest`; over 16 KiB it is
cut, at a character's edge where there is one.
"""
from __future__ import annotations

from typing import NamedTuple

#: bytes of the longest line that is kept whole
LIMIT = 16 * 1024


class Block(NamedTuple):
    """Some whole lines, each with its newline; or one piece of a line without (*partial*)."""

    data: bytes
    lines: int
    partial: bool = False


class LineCutter:
    """Cuts one stream into blocks. Splitting into lines is left to whoever reads them."""

    def __init__(self) -> None:
        #: what follows the last newline, not yet in any block
        self.rest = b""

    def feed(self, data: bytes) -> list[Block]:
        """Return what has become complete with *data*."""
        end = data.rfind(b"\n") + 1
        if not end:
            self.rest += data
            return self._cut_rest() if len(self.rest) > LIMIT else []
        whole, self.rest = self.rest + data[:end], data[end:]
        blocks = [Block(whole, whole.count(b"\n"))] if _fits(whole) else _cut_long(whole)
        return blocks + self._cut_rest() if len(self.rest) > LIMIT else blocks

    def flush(self) -> list[Block]:
        """Return what waits: the run is over, and nothing will complete it."""
        last, self.rest = self.rest, b""
        return [Block(last, 1, partial=True)] if last else []

    def _cut_rest(self) -> list[Block]:
        *pieces, self.rest = _pieces(self.rest)
        return [Block(piece, 1, partial=True) for piece in pieces]


def _fits(data: bytes) -> bool:
    """Tell whether no line in *data* is longer than the limit, by looking at one newline in each 16 KiB."""
    start = 0
    while len(data) - start > LIMIT:
        start = data.rfind(b"\n", start, start + LIMIT + 1) + 1
        if not start:
            return False
    return True


def _cut_long(data: bytes) -> list[Block]:
    blocks: list[Block] = []
    for line in data[:-1].split(b"\n"):
        *pieces, last = _pieces(line + b"\n")
        blocks += [Block(piece, 1, partial=True) for piece in pieces]
        blocks.append(Block(last, 1))
    return blocks


def _pieces(line: bytes) -> list[bytes]:
    """Cut *line* into pieces of at most the limit; the line end belongs to the last and is not counted."""
    pieces, start, size = [], 0, len(line) - line.endswith(b"\n")
    while size - start > LIMIT:
        end = _edge(line, start + LIMIT)
        pieces.append(line[start:end])
        start = end
    return [*pieces, line[start:]]


def _edge(data: bytes, position: int) -> int:
    """Return the start of the UTF-8 character at *position*, or *position* where none is near."""
    for at in range(position, position - 4, -1):
        if data[at] & 0xC0 != 0x80:
            return at
    return position


def split(block: Block) -> list[str]:
    """Return the lines of *block* as text, without their ends."""
    text = block.data.decode("utf-8", "replace")
    lines = [text] if block.partial else text[:-1].split("\n")
    return [line.removesuffix("\r") for line in lines]
