"""The bridge into PocketBase's logs: what goes over it, in which pieces, and what is left out."""
from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

import pytest
from support import until

from processman import Event, ProcessConfig, Status
from processman.journal import Journal
from processman.lines import Block
from processman.pocketbase.lines import BATCH, ERROR, INFO, RATE, WARN, Lines, Row
from processman.states import State


class Taken:
    """Stands for PocketBase: keeps the rows that it takes."""

    def __init__(self) -> None:
        self.requests: list[Sequence[Row]] = []
        self.refuses = False

    def __call__(self, rows: Sequence[Row]) -> bool:
        if not self.refuses:
            self.requests.append(rows)
        return not self.refuses

    @property
    def rows(self) -> list[Row]:
        return [row for rows in self.requests for row in rows]

    @property
    def messages(self) -> list[str]:
        return [row.message for row in self.rows]


@pytest.fixture
def taken() -> Taken:
    return Taken()


@pytest.fixture
def modes() -> dict[str, str]:
    return {}


@pytest.fixture
def lines(taken: Taken, modes: dict[str, str]) -> Iterator[Lines]:
    made = Lines(taken, lambda id: modes.get(id, "all"))
    yield made
    made.close()


@pytest.fixture
def journal(lines: Lines) -> Journal:
    made = Journal("web")
    lines.follow(made)
    return made


def say(journal: Journal, *texts: str, stream: str = "stdout") -> None:
    journal.append(stream, 1, [Block("".join(f"{text}\n" for text in texts).encode(), len(texts), False)])


def event(kind: State, **more: object) -> Event:
    status = Status(id="web", status=kind, config=ProcessConfig(id="web", command="true"), **more)
    return Event(seq=1, timestamp=datetime.now(UTC), process_id="web", kind=kind.value, status=status)


def test_lines_go_in_their_order_with_level_and_source(journal: Journal, taken: Taken) -> None:
    say(journal, "one")
    say(journal, "two", stream="stderr")
    say(journal, "three")
    until(lambda: len(taken.rows) == 3)
    assert taken.rows == [Row(INFO, "one", "web", "STDOUT"), Row(ERROR, "two", "web", "STDERR"),
                          Row(INFO, "three", "web", "STDOUT")]


@pytest.mark.parametrize(("mode", "expected"), [
    ("all", ["Process is running, pid 7", "out", "err"]), ("stderr", ["Process is running, pid 7", "err"]),
    ("events", ["Process is running, pid 7"]), ("none", []),
])  # fmt: skip
def test_each_mode_holds_what_the_next_does(
    mode: str, expected: list[str], lines: Lines, journal: Journal, taken: Taken, modes: dict[str, str]
) -> None:
    modes["web"] = mode
    lines.tell(event(State.RUNNING, pid=7))
    say(journal, "out")
    say(journal, "err", stream="stderr")
    lines.close()
    assert taken.messages == expected


@pytest.mark.parametrize(("kind", "more", "level", "message"), [
    (State.STOPPED, {}, INFO, "Process is stopped"),
    (State.EXITED, {"exit_code": 0}, INFO, "Process has ended: exit code 0"),
    (State.CRASHED, {"last_error": "exit code 1"}, WARN, "Process has crashed: exit code 1; retry in 0.0 s"),
    (State.FAILED, {"last_error": "exit code 1"}, ERROR, "Process has failed: exit code 1"),
])  # fmt: skip
def test_events_are_told_in_words(
    kind: State, more: dict[str, object], level: int, message: str, lines: Lines, taken: Taken
) -> None:
    lines.tell(event(State.STARTING))
    lines.tell(event(kind, **more))
    lines.close()
    assert taken.rows == [Row(level, message, "web", "processman")]


def test_a_burst_goes_in_pieces(journal: Journal, lines: Lines, taken: Taken) -> None:
    say(journal, *map(str, range(RATE)))
    until(lambda: len(taken.rows) == RATE)
    assert max(map(len, taken.requests)) == BATCH
    assert taken.messages == [str(number) for number in range(RATE)]


def test_what_comes_faster_waits_and_is_counted_when_it_is_dropped(
    journal: Journal, lines: Lines, taken: Taken
) -> None:
    total, begun = 5000, time.monotonic()
    for start in range(0, total, 100):
        say(journal, *map(str, range(start, start + 100)))
    until(lambda: str(total - 1) in taken.messages, 15)
    spent = time.monotonic() - begun
    notes = [row for row in taken.rows if row.source == "processman"]
    left_out = sum(int(row.message.split()[0]) for row in notes)
    own = [int(row.message) for row in taken.rows if row.source == "STDOUT"]
    assert own == sorted(own)
    assert len(own) + left_out == total
    assert len(own) <= RATE * (spent + 1)
    assert len(notes) <= spent + 1
    assert {(row.level, row.process) for row in notes} == {(WARN, "web")}


def test_at_the_end_the_rest_is_counted(journal: Journal, lines: Lines, taken: Taken) -> None:
    say(journal, *map(str, range(RATE + 300)))
    lines.close()
    assert taken.messages == ["300 lines left out: more than 200 a second", *map(str, range(RATE))]


def test_lines_that_came_at_once_are_not_told_for_minutes(journal: Journal, lines: Lines, taken: Taken) -> None:
    say(journal, *map(str, range(5000)))
    until(lambda: "4999" in taken.messages)
    assert taken.messages == ["4000 lines left out: more than 200 a second", *map(str, range(4000, 5000))]


def test_a_noisy_process_takes_nothing_from_another(lines: Lines, journal: Journal, taken: Taken) -> None:
    other = Journal("other")
    lines.follow(other)
    say(journal, *map(str, range(900)))
    say(other, "here")
    until(lambda: "here" in taken.messages)
    assert len(taken.rows) <= RATE + 1


def test_while_pocketbase_takes_none_lines_wait(journal: Journal, lines: Lines, taken: Taken) -> None:
    taken.refuses = True
    for number in range(100):
        say(journal, str(number))
    taken.refuses = False
    until(lambda: len(taken.rows) == 100)
    assert taken.messages == [str(number) for number in range(100)]


def test_the_end_does_not_wait_for_a_pocketbase_that_takes_none(journal: Journal, lines: Lines, taken: Taken) -> None:
    taken.refuses = True
    say(journal, "lost")
    lines.close()
    assert not threading.current_thread().name.startswith("processman-lines")
    assert taken.rows == []


def test_a_closed_journal_is_let_go_of(journal: Journal, lines: Lines, taken: Taken) -> None:
    say(journal, "last")
    journal.close()
    lines.forget_closed()
    until(lambda: not lines._taps)
    assert taken.messages == ["last"]


def test_a_failure_ends_nothing(journal: Journal, lines: Lines, taken: Taken, caplog: pytest.LogCaptureFixture) -> None:
    failing: list[Callable[[], None]] = [lambda: 1 / 0]

    def mode_of(_: str) -> str:
        if failing:
            failing.pop()()
        return "all"

    lines._mode_of = mode_of
    say(journal, "one")
    until(lambda: "ZeroDivisionError" in caplog.text)
    say(journal, "two")
    until(lambda: taken.messages == ["one", "two"])
