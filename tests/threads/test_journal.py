from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import until

from processman.events import STREAMS, Gap, LogLine, Stream
from processman.journal import Batch, Journal
from processman.lines import Block, LineCutter
from processman.spool import Spool


def lines(*texts: str) -> list[Block]:
    data = "".join(f"{text}\n" for text in texts).encode()
    return [Block(data, len(texts))] if texts else []


def seen(items: tuple[LogLine, ...]) -> list[tuple[int, str]]:
    return [(item.seq, item.content) for item in items]


def numbers(items: tuple[LogLine, ...]) -> list[int]:
    return [item.seq for item in items]


def test_a_line_says_where_and_when_it_comes_from() -> None:
    journal = Journal("web")
    journal.append("stderr", 3, lines("oh no"))
    (line,) = journal.tail(10)
    assert (line.process_id, line.stream, line.run, line.seq, line.content, line.partial) == (
        "web", "stderr", 3, 1, "oh no", False
    )
    assert line.timestamp.utcoffset() is not None


def test_lines_of_both_streams_are_numbered_together() -> None:
    journal = Journal("p")
    journal.append("stdout", 1, lines("a", "b"))
    journal.append("stderr", 1, lines("c"))
    journal.append("stdout", 2, lines("d"))
    assert seen(journal.tail(10)) == [(1, "a"), (2, "b"), (3, "c"), (4, "d")]
    assert (journal.last, journal.count("stdout"), journal.count("stderr")) == (4, 3, 1)
    assert [(item.seq, item.stream, item.run) for item in journal.tail(2)] == [(3, "stderr", 1), (4, "stdout", 2)]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_the_newest_are_told_oldest_first(count: int) -> None:
    journal = Journal("p")
    journal.append("stdout", 1, lines("1", "2", "3"))
    journal.append("stdout", 1, lines("4"))
    assert [item.content for item in journal.tail(count)] == ["1", "2", "3", "4"][-count:]


@pytest.mark.parametrize("size", [1, 7, 999, 1000, 1001])
def test_the_last_thousand_lines_are_kept(size: int) -> None:
    """O-rate"""
    journal = Journal("p")
    total = 5 * size + 2000
    for start in range(0, total, size):
        journal.append("stdout", 1, lines(*(str(number) for number in range(start, min(start + size, total)))))
    tail = journal.tail(1000)
    assert seen(tail) == [(number + 1, str(number)) for number in range(total - 1000, total)]
    assert len(journal.read(0, limit=1 << 20).items) < 1000 + size


def test_a_mebibyte_is_kept() -> None:
    journal = Journal("p")
    for _ in range(300):
        journal.append("stdout", 1, lines("x" * 9999))
    kept = journal.tail(1000)
    assert len(kept) == (1 << 20) // 10_000
    assert kept[-1].seq == 300


def test_one_block_is_kept_however_large() -> None:
    journal = Journal("p", keep_bytes=10)
    journal.append("stdout", 1, lines("first"))
    journal.append("stdout", 1, lines("more than ten bytes"))
    assert seen(journal.tail(9)) == [(2, "more than ten bytes")]


# -- what waits for its newline ---------------------------------------------------
def test_what_waits_is_last_and_has_no_number() -> None:
    journal = Journal("p")
    journal.append("stdout", 1, lines("a"), b"50%\r")
    journal.append("stderr", 1, lines("b"))
    assert seen(journal.tail(10)) == [(1, "a"), (2, "b"), (0, "50%")]
    waiting = journal.tail(1)[0]
    assert (waiting.partial, waiting.stream, waiting.run) == (True, "stdout", 1)
    journal.append("stdout", 1, lines("50% 100%"))
    assert seen(journal.tail(10)) == [(1, "a"), (2, "b"), (3, "50% 100%")]


def test_followers_get_what_waits_when_it_is_complete() -> None:
    journal = Journal("p")
    journal.append("stdout", 1, [], b"half")
    assert journal.read(0) == Batch((), 0, 0)
    journal.append("stdout", 1, [Block(b"half", 1, partial=True)])
    (line,) = journal.read(0).items
    assert (line.seq, line.content, line.partial) == (1, "half", True)


def test_a_character_whose_last_bytes_are_to_come_is_left_out_meanwhile() -> None:
    """O-bad-utf8"""
    journal = Journal("p")
    journal.append("stdout", 1, [], "ok 🙂".encode()[:-2])
    assert journal.tail(1)[0].content == "ok "


def test_pieces_of_a_long_line_are_numbered_and_partial() -> None:
    """O-longline"""
    cutter, journal = LineCutter(), Journal("p")
    journal.append("stdout", 1, cutter.feed(b"x" * 40_000), cutter.rest)
    journal.append("stdout", 1, cutter.feed(b"x\n"), cutter.rest)
    assert [(item.seq, len(item.content), item.partial) for item in journal.tail(9)] == [
        (1, 16384, True), (2, 16384, True), (3, 7233, False)
    ]


# -- cursors ---------------------------------------------------------------------
def test_reading_goes_on_after_a_cursor() -> None:
    journal = Journal("p")
    journal.append("stdout", 1, lines("1", "2", "3", "4", "5"))
    first = journal.read(0, limit=2)
    assert (seen(first.items), first.next, first.missed) == ([(1, "1"), (2, "2")], 2, 0)
    assert seen(journal.read(first.next).items) == [(3, "3"), (4, "4"), (5, "5")]
    assert journal.read(5) == Batch((), 5, 0)


@pytest.mark.parametrize(("after", "missed"), [(0, 2000), (1500, 500), (1999, 1), (2000, 0), (2500, 0)])
def test_a_reader_is_told_exactly_how_much_it_missed(after: int, missed: int) -> None:
    journal = Journal("p")
    for number in range(1, 3001):
        journal.append("stdout", 1, lines(str(number)))
    batch = journal.read(after)
    assert batch.missed == missed
    assert seen(batch.items) == [(number, str(number)) for number in range(max(after, 2000) + 1, 3001)]


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_one_stream_is_read_by_cursors_of_its_own(stream: Stream) -> None:
    journal = Journal("p", keep_lines=10)
    for number in range(1, 31):
        journal.append("stdout" if number % 3 else "stderr", 1, lines(str(number)))
    mine = [number for number in range(1, 31) if bool(number % 3) == (stream == "stdout")]
    kept = [number for number in mine if number > 20]
    batch = journal.read_stream(stream, 0)
    assert numbers(batch.items) == kept
    assert (batch.next, batch.missed) == (len(mine), len(mine) - len(kept))
    assert journal.read_stream(stream, batch.next) == Batch((), len(mine), 0)
    late = journal.read_stream(stream, len(mine) - 1)
    assert (numbers(late.items), late.missed) == (mine[-1:], 0)


def test_one_stream_may_have_been_dropped_altogether() -> None:
    journal = Journal("p", keep_lines=5)
    journal.append("stderr", 1, lines("a", "b", "c"))
    for number in range(9):
        journal.append("stdout", 1, lines(str(number)))
    assert journal.read_stream("stderr", 1) == Batch((), 3, 2)


def test_one_stream_is_read_from_the_middle_of_a_block() -> None:
    journal = Journal("p")
    journal.append("stderr", 1, lines("other"))
    journal.append("stdout", 1, lines("1", "2", "3"))
    assert seen(journal.read_stream("stdout", 2).items) == [(4, "3")]


# -- waiting ---------------------------------------------------------------------
@pytest.fixture
def background() -> Iterator[Callable[[Callable[[], object]], list[object]]]:
    """Run a function in a thread; return the list that its result comes into."""
    threads: list[threading.Thread] = []

    def start(function: Callable[[], object]) -> list[object]:
        results: list[object] = []
        threads.append(threading.Thread(target=lambda: results.append(function())))
        threads[-1].start()
        return results

    yield start
    for thread in threads:
        thread.join(10)


def test_a_reader_waits_for_the_next_line(background: Callable[..., list[object]]) -> None:
    journal = Journal("p")
    results = background(lambda: journal.read(0, timeout=None))
    journal.append("stdout", 1, [], b"not yet")
    journal.append("stdout", 1, lines("now"))
    until(lambda: results)
    assert seen(results[0].items) == [(1, "now")]  # type: ignore[attr-defined]


def test_a_reader_waits_no_longer_than_it_said() -> None:
    assert Journal("p").read(0, timeout=0.01) == Batch((), 0, 0)


def test_the_end_wakes_readers_after_what_is_left(background: Callable[..., list[object]]) -> None:
    journal = Journal("p")
    results = background(lambda: journal.read(0, timeout=None))
    journal.close()
    until(lambda: results)
    assert results == [Batch((), 0, 0)]
    journal.append("stdout", 1, lines("late"))
    assert seen(journal.read(0, timeout=None).items) == [(1, "late")]


TOTAL = 30_000


@contextmanager
def written(journal: Journal) -> Iterator[None]:
    """Write that many lines to each stream meanwhile, in two threads."""
    def write(stream: Stream) -> None:
        for start in range(0, TOTAL, 60):
            journal.append(stream, 1, lines(*(str(number) for number in range(start, start + 60))))

    writers = [threading.Thread(target=write, args=(stream,)) for stream in ("stdout", "stderr")]
    for thread in writers:
        thread.start()
    try:
        yield
    finally:
        for thread in writers:
            thread.join(30)


def test_a_follower_counts_right_whatever_is_written_meanwhile() -> None:
    """O-order"""
    journal, batches, after = Journal("p"), [], 0
    with written(journal):
        while after < 2 * TOTAL:
            batches.append(journal.read(after, limit=500, timeout=10))
            after = batches[-1].next
    for batch in batches:
        assert numbers(batch.items) == list(range(batch.next - len(batch.items) + 1, batch.next + 1))
    assert sum(len(batch.items) + batch.missed for batch in batches) == 2 * TOTAL
    for stream in ("stdout", "stderr"):
        told = [int(item.content) for batch in batches for item in batch.items if item.stream == stream]
        assert told == sorted(set(told))


def test_a_follower_of_one_stream_counts_right_whatever_is_written_meanwhile() -> None:
    """O-order"""
    journal, batches, after = Journal("p"), [], 0
    with written(journal):
        while after < TOTAL:
            batches.append(journal.read_stream("stdout", after))
            assert batches[-1].next == after + batches[-1].missed + len(batches[-1].items)
            after = batches[-1].next
    assert sum(len(batch.items) + batch.missed for batch in batches) == TOTAL


def test_lines_are_read_while_they_are_written() -> None:
    """O-iterate"""
    journal = Journal("p")
    with written(journal):
        while journal.last < 2 * TOTAL:
            tail = numbers(journal.tail(1000))
            assert not tail or tail == list(range(tail[0], tail[-1] + 1))
    assert (journal.count("stdout"), journal.count("stderr")) == (TOTAL, TOTAL)


def test_what_was_lost_with_an_owner_is_a_gap(tmp_path: Path) -> None:
    """F-lead-changes"""
    first, second, spool = Journal("p"), Journal("p"), Spool(tmp_path / "lines")
    first.keep(spool, restore=False)
    for number in range(1, 2001):  # quicker than they are spooled
        first.append("stdout", 1, [Block(b"%d\n" % number, 1)])
    assert first.behind
    second.keep(Spool(tmp_path / "lines"), restore=True)
    second.append("stdout", 1, [Block(b"next\n", 1)])
    items = list(second.follow(0, timeout=0))
    missed = sum(item.missed for item in items if isinstance(item, Gap))
    lines = [item for item in items if isinstance(item, LogLine)]
    assert (lines[-1].seq, lines[-1].content, second.last) == (2001, "next", 2001)
    assert missed + len(lines) == 2001
    assert missed > 0
    assert all(line.content == str(line.seq) for line in lines[:-1])
    assert second.tail(2) == tuple(lines[-2:])


@pytest.mark.parametrize("cut", [0, 10, 1 << 17, (1 << 18) + 3])
def test_a_file_of_lines_may_be_cut_short(tmp_path: Path, cut: int) -> None:
    first, second, path = Journal("p"), Journal("p"), tmp_path / "lines"
    first.keep(Spool(path), restore=False)
    first.append("stdout", 1, [Block(b"one\n", 1)])
    path.write_bytes(path.read_bytes()[:cut])
    second.keep(Spool(path), restore=True)
    assert len(second.tail(10)) in (0, 1)


def test_lines_are_kept_in_memory_alone_where_there_is_no_room(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal("p")
    journal.keep(Spool(tmp_path / "nowhere" / "lines"), restore=True)
    for _ in range(3):
        journal.append("stdout", 1, [Block(b"one\n", 1)])
        journal.catch_up()
    assert len(journal.tail(10)) == 3
    journal.close()
    assert caplog.text.count("cannot keep lines for the next owner") == 1


def test_what_is_hidden_is_in_no_file_either(tmp_path: Path) -> None:
    first, second, path = Journal("p"), Journal("p"), tmp_path / "lines"
    first.hide = lambda data: data.replace(b"secret", b"****")
    first.keep(Spool(path), restore=False)
    first.append("stdout", 1, lines("a secret"), b"half of a secret")
    assert [line.content for line in first.tail(10)] == ["a ****", "half of a ****"]
    first.append("stdout", 1, lines("half of a secret, and all of it"))
    first.close()
    assert b"secret" not in path.read_bytes()
    second.keep(Spool(path), restore=True)
    assert second.epoch == first.epoch
    assert seen(second.news(1, epoch=first.epoch).items) == [(2, "half of a ****, and all of it")]


@given(st.lists(st.tuples(st.sampled_from(STREAMS), st.integers(1, 90_000)), min_size=1, max_size=40))
def test_what_is_spooled_is_the_newest_of_what_was_appended(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[tuple[Stream, int]]
) -> None:
    path = tmp_path_factory.mktemp("spool") / "lines"
    first, second = Journal("p"), Journal("p")
    first.keep(Spool(path), restore=False)
    for stream, size in sizes:
        first.append(stream, 1, [Block(b"x" * size + b"\n", 1)])
        first.catch_up()
    second.keep(Spool(path), restore=True)
    assert second.last == first.last == len(sizes)
    kept = second.tail(1000)
    assert kept == first.tail(1000)[-len(kept):]
    assert len(kept) >= 1
    assert [second.count(stream) for stream in STREAMS] == [first.count(stream) for stream in STREAMS]


def test_another_goes_on_where_one_was(tmp_path: Path) -> None:
    first, second, spool = Journal("p"), Journal("p"), Spool(tmp_path / "lines")
    first.keep(spool, restore=False)
    for number in range(1100):
        first.append("stderr" if number % 2 else "stdout", 3, [Block(b"%d\n" % number, 1)])
    first.catch_up()
    second.keep(spool, restore=True)
    assert second.tail(1000) == first.tail(1000)
    second.append("stdout", 4, [Block(b"next\n", 1)])
    batch = second.read(second.last - 1)
    assert [(line.seq, line.content, line.run) for line in batch.items] == [(1101, "next", 4)]
    assert second.count("stdout") == first.count("stdout") + 1
