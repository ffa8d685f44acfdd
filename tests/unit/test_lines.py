from __future__ import annotations

import itertools
import random

import pytest

from processman.lines import LIMIT, Block, LineCutter, split


def cut(*reads: bytes, end: bool = True) -> list[tuple[str, bool]]:
    """Feed *reads*, then end the stream; return each line and whether it is partial."""
    cutter = LineCutter()
    blocks = [block for data in reads for block in cutter.feed(data)] + (cutter.flush() if end else [])
    return [(line, block.partial) for block in blocks for line in split(block)]


@pytest.mark.parametrize(("data", "lines"), [
    (b"", []),
    (b"one\n", ["one"]),
    (b"one\ntwo\n", ["one", "two"]),
    (b"\n", [""]),
    (b"\n\none\n\n", ["", "", "one", ""]),
    (b"one\r\ntwo\r\n\r\n", ["one", "two", ""]),
    (b"one\r\r\n", ["one\r"]),
    (b"50%\r100%\n", ["50%\r100%"]),
    (b"\0\0\n", ["\0\0"]),
])
def test_newlines_alone_end_lines(data: bytes, lines: list[str]) -> None:
    assert cut(data) == [(line, False) for line in lines]


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\u0085", "\v", "\f", "\x1c", "\x1d", "\x1e", "\r"])
def test_other_separators_are_text(separator: str) -> None:
    """O-separators"""
    assert cut(f"one{separator}two\n".encode()) == [(f"one{separator}two", False)]


def test_what_follows_the_last_newline_waits_and_is_partial_at_the_end() -> None:
    """O-no-newline-end"""
    cutter = LineCutter()
    assert cutter.feed(b"one\nlast wor") == [Block(b"one\n", 1)]
    assert cutter.rest == b"last wor"
    assert cutter.feed(b"ds") == []
    assert cutter.flush() == [Block(b"last words", 1, partial=True)]
    assert (cutter.rest, cutter.flush()) == (b"", [])


def test_how_it_is_read_makes_no_difference() -> None:
    text = "naïve 🙂\r\n\nsecond line\n\n3\u2028\nrest ✓".encode()
    whole = cut(text)
    for size in range(1, len(text)):
        assert cut(*(text[at:at + size] for at in range(0, len(text), size))) == whole


def test_a_character_between_two_reads_is_never_torn() -> None:
    """O-bad-utf8"""
    text = "é🙂\n".encode()
    for at in range(1, len(text)):
        assert cut(text[:at], text[at:]) == [("é🙂", False)]


def test_bytes_that_are_no_utf8_are_replaced_line_by_line() -> None:
    """O-bad-utf8"""
    assert cut(b"a\xff\n\xc3\n\xa9b\n") == [("a\ufffd", False), ("\ufffd", False), ("\ufffdb", False)]


@pytest.mark.parametrize(("size", "pieces"), [
    (LIMIT, [LIMIT]), (LIMIT + 1, [LIMIT, 1]), (2 * LIMIT, [LIMIT, LIMIT]), (2 * LIMIT + 5, [LIMIT, LIMIT, 5]),
])
@pytest.mark.parametrize("step", [1 << 20, 65536, 5000])
@pytest.mark.parametrize("ended", [True, False])
def test_a_long_line_is_cut_at_16_kib(size: int, pieces: list[int], step: int, ended: bool) -> None:
    """O-longline"""
    data = b"before\n" + b"x" * size + (b"\nafter\n" if ended else b"")
    lines = cut(*(data[at:at + step] for at in range(0, len(data), step)))
    expected = [("before", False), *(("x" * piece, True) for piece in pieces)]
    if ended:
        expected[-1] = (expected[-1][0], False)
        expected.append(("after", False))
    assert lines == expected


@pytest.mark.parametrize("offset", range(4))
@pytest.mark.parametrize("ended", [True, False])
def test_a_long_line_is_cut_at_the_edge_of_a_character(offset: int, ended: bool) -> None:
    """O-longline"""
    text = "x" * offset + "🙂" * LIMIT
    lines = cut((text + "\n" * ended).encode())
    assert "".join(line for line, _ in lines) == text
    assert all(LIMIT - 3 <= len(line.encode()) <= LIMIT for line, _ in lines[:-1])


def test_what_has_no_edges_is_cut_all_the_same() -> None:
    assert [len(line) for line, _ in cut(b"\x80" * (LIMIT + 10))] == [LIMIT, 10]


def test_a_line_that_never_ends_is_not_kept() -> None:
    """O-longline"""
    cutter = LineCutter()
    for _ in range(100):
        cutter.feed(b"x" * 65536)
        assert len(cutter.rest) <= LIMIT


def test_whole_lines_are_left_in_one_block() -> None:
    data = b"".join(b"%d\n" % number for number in range(20_000))
    assert LineCutter().feed(data) == [Block(data, 20_000)]


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_lost_whatever_comes(seed: int) -> None:
    chance = random.Random(seed)
    data = b"".join(
        chance.choice([b"\n", b"\r\n", b"word ", "🙂".encode(), b"\xff", b"y" * chance.randrange(40_000)])
        for _ in range(60)
    )
    cuts = sorted(chance.randrange(len(data)) for _ in range(20))
    cutter = LineCutter()
    blocks = [
        block for start, end in itertools.pairwise([0, *cuts, len(data)]) for block in cutter.feed(data[start:end])
    ]
    blocks += cutter.flush()
    assert b"".join(block.data for block in blocks) == data
    assert [block.lines for block in blocks] == [len(split(block)) for block in blocks]
    assert all(len(line.removesuffix(b"\r")) <= LIMIT for block in blocks for line in block.data.split(b"\n"))
    assert sum(not block.partial and block.lines for block in blocks) == data.count(b"\n")
