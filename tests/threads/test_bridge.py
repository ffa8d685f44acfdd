from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest
from support import until

from processman import journal as journal_module
from processman.bridge import Bridge, printable
from processman.journal import Journal
from processman.lines import Block

OUTPUT = logging.getLogger("processman.output")


class Collecting(logging.Handler):
    """Keeps every record; may be told to wait or to fail."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []
        self.go = threading.Event()
        self.go.set()
        self.reached = threading.Event()
        self.failing = False

    def handle(self, record: logging.LogRecord) -> bool:
        self.records.append(record)
        self.reached.set()
        assert self.go.wait(10)
        if self.failing:
            raise RuntimeError("no disk")
        return True

    @property
    def messages(self) -> list[str]:
        return [record.getMessage() for record in self.records]


@pytest.fixture
def handler(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collecting]:
    made = Collecting()
    monkeypatch.setattr(OUTPUT, "handlers", [made])
    monkeypatch.setattr(OUTPUT, "propagate", False)
    OUTPUT.setLevel(logging.INFO)
    yield made
    made.go.set()
    OUTPUT.setLevel(logging.NOTSET)


@pytest.fixture
def bridge() -> Iterator[Bridge]:
    made = Bridge()
    yield made
    made.close()


@pytest.fixture
def journal(handler: Collecting, bridge: Bridge) -> Journal:
    made = Journal("ai-agent")
    bridge.follow(made)
    return made


def say(journal: Journal, *texts: str, stream: str = "stdout", run: int = 1) -> None:
    journal.append(stream, run, [Block(f"{text}\n".encode(), 1) for text in texts])  # type: ignore[arg-type]


def test_a_line_becomes_a_record(journal: Journal, handler: Collecting) -> None:
    say(journal, "Hello World", run=2)
    until(lambda: handler.records)
    (record,) = handler.records
    assert (record.name, record.levelno) == ("processman.output.ai-agent", logging.INFO)
    assert record.getMessage() == "[ai-agent][STDOUT] Hello World"
    assert (record.process_id, record.stream, record.run, record.seq, record.content) == (  # type: ignore[attr-defined]
        "ai-agent", "stdout", 2, 1, "Hello World"
    )
    assert record.created == journal.tail(1)[0].timestamp.timestamp()


def test_stderr_is_an_error(journal: Journal, handler: Collecting) -> None:
    say(journal, "fine")
    say(journal, "oh no", stream="stderr")
    until(lambda: len(handler.records) == 2)
    assert {(record.levelname, record.getMessage()) for record in handler.records} == {
        ("INFO", "[ai-agent][STDOUT] fine"), ("ERROR", "[ai-agent][STDERR] oh no"),
    }


@pytest.mark.parametrize(("text", "shown"), [
    ("plain, with\ttab and ünïcode 🙂", "plain, with\ttab and ünïcode 🙂"),
    ("a\rERROR forged", r"a\rERROR forged"),
    ("\x1b]0;title\x07\x1b[31mred", r"\x1b]0;title\x07\x1b[31mred"),
    ("\0\x7f\x9b", r"\x00\x7f\x9b"),
    ("one\u2028two\u2029three\x85four", r"one\u2028two\u2029three\x85four"),
    ("100% %s %(name)s {}", "100% %s %(name)s {}"),
])
def test_control_characters_are_escaped(journal: Journal, handler: Collecting, text: str, shown: str) -> None:
    """O-ansi"""
    say(journal, text)
    until(lambda: handler.records)
    assert handler.messages == [f"[ai-agent][STDOUT] {shown}"]
    assert handler.records[0].content == text  # type: ignore[attr-defined]
    assert printable(text) == shown


def test_every_control_character_is_escaped() -> None:
    harmful = [*range(0x20), *range(0x7f, 0xa0), 0x2028, 0x2029]
    assert all((printable(chr(number)) == chr(number)) == (number == 9) for number in harmful)


def test_where_the_level_is_off_nothing_is_split_or_woken(
    journal: Journal, handler: Collecting, bridge: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Block] = []
    split = journal_module.split
    monkeypatch.setattr(journal_module, "split", lambda block: calls.append(block) or split(block))
    OUTPUT.setLevel(logging.CRITICAL)
    for _ in range(100):
        say(journal, "unheard")
        say(journal, "unheard", stream="stderr")
    assert not bridge._bell.is_set()
    assert calls == []
    OUTPUT.setLevel(logging.INFO)
    say(journal, "heard")
    until(lambda: handler.records)
    assert handler.messages == ["[ai-agent][STDOUT] heard"]
    assert len(calls) == 1


def test_where_only_errors_are_on_only_those_are_split(journal: Journal, handler: Collecting) -> None:
    OUTPUT.setLevel(logging.ERROR)
    say(journal, "unheard")
    say(journal, "heard", stream="stderr")
    until(lambda: handler.records)
    say(journal, "marker", stream="stderr")
    until(lambda: len(handler.records) == 2)
    assert handler.messages == ["[ai-agent][STDERR] heard", "[ai-agent][STDERR] marker"]


def test_a_slow_handler_holds_up_nobody_and_what_it_misses_is_counted(
    journal: Journal, handler: Collecting, bridge: Bridge
) -> None:
    """O-consumer-blocks"""
    other = Journal("other")
    bridge.follow(other)
    handler.go.clear()
    say(journal, "first")
    assert handler.reached.wait(10)
    for number in range(5000):
        say(journal, str(number))
        say(other, str(number), stream="stderr")
    assert [line.content for line in journal.tail(2)] == ["4998", "4999"]
    assert len(handler.records) == 1
    handler.go.set()
    until(lambda: len(handler.records) == 1 + 2 * 1001)
    for id, stream in (("ai-agent", "stdout"), ("other", "stderr")):
        told = [record for record in handler.records[1:] if record.getMessage().startswith(f"[{id}]")]
        assert told[0].levelno == logging.WARNING
        assert [told[0].getMessage(), told[1].getMessage()] == [
            f"[{id}] 4000 lines of {stream} were skipped: logging is slower than the process",
            f"[{id}][{stream.upper()}] 4000",
        ]


def test_a_handler_that_raises_loses_its_line_and_no_other(journal: Journal, handler: Collecting) -> None:
    """O-consumer-blocks"""
    handler.failing = True
    for number in range(2000):
        say(journal, str(number))
    until(lambda: handler.messages[-1:] == ["[ai-agent][STDOUT] 1999"])
    handler.failing = False
    say(journal, "after")
    until(lambda: handler.messages[-1] == "[ai-agent][STDOUT] after")


def test_a_filter_that_raises_harms_nobody(
    journal: Journal, handler: Collecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """H-callback-raises"""
    def refuse(record: logging.LogRecord) -> bool:
        if "bad" in record.getMessage():
            raise RuntimeError("no")
        return True

    monkeypatch.setattr(logging.getLogger("processman.output.ai-agent"), "filters", [refuse])
    say(journal, "bad", "good")
    until(lambda: handler.records)
    assert handler.messages == ["[ai-agent][STDOUT] good"]


def test_it_follows_from_the_next_line_on(handler: Collecting, bridge: Bridge) -> None:
    journal = Journal("p")
    say(journal, "before")
    bridge.follow(journal)
    say(journal, "after")
    until(lambda: handler.records)
    assert handler.messages == ["[p][STDOUT] after"]


def test_the_end_waits_for_what_there_is(handler: Collecting) -> None:
    bridge, journal = Bridge(), Journal("p")
    bridge.follow(journal)
    say(journal, *(str(number) for number in range(500)))
    bridge.close()
    assert len(handler.records) == 500


def test_the_end_does_not_wait_long_for_a_slow_handler(
    handler: Collecting, journal: Journal, bridge: Bridge
) -> None:
    handler.go.clear()
    say(journal, "first")
    assert handler.reached.wait(10)
    bridge.close()
    assert len(handler.records) == 1


def test_the_last_lines_of_what_is_forgotten_are_delivered(
    handler: Collecting, journal: Journal, bridge: Bridge
) -> None:
    handler.go.clear()
    say(journal, "first")
    assert handler.reached.wait(10)
    say(journal, "last words")
    journal.close()
    bridge.forget_closed()
    handler.go.set()
    until(lambda: len(handler.records) == 2)
    assert handler.messages[-1] == "[ai-agent][STDOUT] last words"


def test_what_is_forgotten_is_let_go_of(handler: Collecting, bridge: Bridge) -> None:
    kept = Journal("kept")
    for journal in (kept, *(Journal(f"p{number}") for number in range(20))):
        bridge.follow(journal)
        if journal is not kept:
            journal.close()
            bridge.forget_closed()
    until(lambda: list(bridge._taps) == [kept])
    say(kept, "heard")
    until(lambda: handler.messages == ["[kept][STDOUT] heard"])


def test_a_handler_that_ends_the_bridge_does_not_wait_for_itself(
    journal: Journal, handler: Collecting, bridge: Bridge
) -> None:
    """L-shutdown-reentrant"""
    ended: list[str] = []

    class Ending(logging.Handler):
        def handle(self, record: logging.LogRecord) -> bool:
            bridge.close()
            ended.append(record.getMessage())
            return True

    OUTPUT.handlers.append(Ending())
    say(journal, "one")
    until(lambda: ended)


def test_streams_are_each_in_order(journal: Journal, handler: Collecting) -> None:
    """O-order"""
    def write(stream: str) -> None:
        for number in range(400):
            say(journal, str(number), stream=stream)

    writers = [threading.Thread(target=write, args=(stream,)) for stream in ("stdout", "stderr")]
    for thread in writers:
        thread.start()
    for thread in writers:
        thread.join(10)
    until(lambda: len(handler.records) == 800)
    for stream in ("STDOUT", "STDERR"):
        told = [message for message in handler.messages if stream in message]
        assert told == [f"[ai-agent][{stream}] {number}" for number in range(400)]
