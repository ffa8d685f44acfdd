"""What must not hold up a child: slow handlers, failing handlers, failing readers, readers of the log at work."""
from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from support import child, until, wait_for_line

import processman.reader
from processman import Gap, LogLine, Manager
from processman.journal import Journal


class Handler(logging.Handler):
    """Calls *do* with each record."""

    def __init__(self, do: Callable[[logging.LogRecord], None]) -> None:
        super().__init__()
        self._do = do

    def emit(self, record: logging.LogRecord) -> None:
        self._do(record)


@pytest.fixture
def handle() -> Iterator[Callable[..., None]]:
    """Attach handlers to loggers, the levels on; both are gone at the end."""
    undo: list[Callable[[], None]] = []

    def attach(name: str, do: Callable[[logging.LogRecord], None]) -> None:
        logger, handler = logging.getLogger(name), Handler(do)
        former = logger.level, logger.propagate
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        undo.append(lambda: (logger.removeHandler(handler), logger.setLevel(former[0])))  # type: ignore[arg-type]

    yield attach
    for each in undo:
        each()


def check_slow_handler(manager: Manager, handle: Callable[..., None], wait: Callable[[], Any]) -> threading.Event:
    """Let a child write 200,000 lines while a handler is in *wait*; say when that handler has seen all."""
    lines, seen, skipped, entered, done = 200_000, [], [], threading.Event(), threading.Event()

    def slow(record: logging.LogRecord) -> None:
        if "skipped" in record.getMessage():
            skipped.append(record.args[1])  # type: ignore[index]
            return
        seen.append(record.seq)  # type: ignore[attr-defined]
        if not entered.is_set():
            entered.set()
            wait()
        if record.content == "ready":  # type: ignore[attr-defined]
            assert len(seen) + sum(skipped) == record.seq == lines + 1  # type: ignore[attr-defined]
            assert seen == sorted(set(seen))
            assert sum(skipped) > 0
            done.set()

    handle("processman.output.p", slow)
    manager.register(child("p", "floods.py", lines))
    manager.start()
    assert entered.wait(10)
    assert wait_for_line(manager, "p", "ready", timeout=60).seq == lines + 1
    assert manager.status("p").status == "running"
    assert not done.is_set()
    return done


def test_a_log_handler_that_blocks_holds_up_nobody(manager: Manager, handle: Callable[..., None]) -> None:
    """O-consumer-blocks"""
    free = threading.Event()
    try:
        done = check_slow_handler(manager, handle, lambda: free.wait(60))
        manager.register(child("other", "waits.py"))
        wait_for_line(manager, "other", "ready")
        manager.stop_process("other")
        manager.restart_process("other")
    finally:
        free.set()
    assert done.wait(10)


@pytest.mark.soak
def test_a_log_handler_that_sleeps_30_seconds_holds_up_nobody(
    manager: Manager, handle: Callable[..., None]
) -> None:
    """O-consumer-blocks"""
    assert check_slow_handler(manager, handle, lambda: threading.Event().wait(30)).wait(60)


def test_a_manager_stops_although_a_log_handler_blocks(manager: Manager, handle: Callable[..., None]) -> None:
    """O-consumer-blocks"""
    free = threading.Event()
    try:
        check_slow_handler(manager, handle, free.wait)
        stopping = threading.Thread(target=manager.stop)
        stopping.start()
        stopping.join(20)
        assert not stopping.is_alive()
    finally:
        free.set()
    assert manager.status("p").status == "stopped"


def test_a_handler_that_raises_for_all_records_stops_neither_logs_nor_supervision(
    manager: Manager, handle: Callable[..., None]
) -> None:
    """O-consumer-blocks"""
    seen: list[str] = []
    broken = threading.Event()
    broken.set()

    def fail(record: logging.LogRecord) -> None:
        seen.append(record.getMessage())
        if broken.is_set():
            raise RuntimeError("the handler's own")

    manager.start()
    handle("processman", fail)  # where our own complaint about it goes, too
    manager.subscribe(lambda event: 1 / 0)
    manager.register(child("p", "prints_forever.py", 0.01))
    manager.register(child("crashes", "exits_with.py", 1, max_retries=2))
    assert manager.wait_for("crashes", "failed", timeout=10).run == 3
    until(lambda: any("tick 3" in text for text in seen))
    broken.clear()
    manager.restart_process("p")
    line = wait_for_line(manager, "p", "tick 1")
    until(lambda: seen.count("[p][STDOUT] tick 1") == 2, what=f"{line} a second time")


def test_a_record_factory_that_raises_stops_nothing(manager: Manager, handle: Callable[..., None]) -> None:
    """O-consumer-blocks"""
    seen: list[str] = []
    former = logging.getLogRecordFactory()

    def factory(*args: Any, **more: Any) -> logging.LogRecord:
        raise RuntimeError("the factory's own")

    handle("processman.output", lambda record: seen.append(record.getMessage()))
    manager.register(child("p", "prints_forever.py", 0.01))
    logging.setLogRecordFactory(factory)
    try:
        manager.start()
        wait_for_line(manager, "p", "tick 5")
    finally:
        logging.setLogRecordFactory(former)
    until(lambda: any("tick" in text for text in seen))


@pytest.mark.parametrize("error", [ValueError("injected"), MemoryError()])
@pytest.mark.parametrize("place", [(processman.reader.LineCutter, "feed"), (Journal, "append")])
def test_a_child_is_read_on_when_its_reader_fails(
    manager: Manager, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    place: tuple[type, str], error: Exception,
) -> None:
    """O-reader-exception, R-memory"""
    def fail(*args: object) -> None:
        raise error

    with monkeypatch.context() as broken:
        broken.setattr(*place, fail)
        # far more than a pipe holds: a child that is not read never ends
        manager.register(child("p", "floods.py", 100_000, "exit", restart="on-failure"))
        manager.start()
        manager.wait_for("p", "exited", timeout=20)
    assert "reading stdout of process 'p' failed" in caplog.text
    manager.restart_process("p")
    assert manager.wait_for("p", "exited", timeout=20).run == 2
    assert manager.logs("p", lines=1)[0].content == "ready"


def test_a_million_lines_are_counted_and_the_last_1000_kept(manager: Manager) -> None:
    """O-rate"""
    lines = 1_000_000
    manager.register(child("p", "floods.py", lines))
    manager.start()
    until(lambda: manager.logs("p", lines=1) and manager.logs("p", lines=1)[0].content == "ready", timeout=60)
    kept = manager.logs("p", lines=1000)
    assert [line.seq for line in kept] == list(range(lines + 2 - 1000, lines + 2))
    assert [line.content for line in kept[:-1]] == [f"line {line.seq:09d}" for line in kept[:-1]]
    assert manager.logs("p", lines=7) == kept[-7:]


def follow_to_the_end(manager: Manager) -> int:
    """Follow process "p" from its first line to "ready"; return how many lines there were, missed ones counted."""
    count = 0
    for item in manager.follow("p", after=0, timeout=20):
        count += item.missed if isinstance(item, Gap) else 1
        if isinstance(item, LogLine):
            assert item.seq == count
            if item.content == "ready":
                break
    return count


def test_logs_are_read_and_followed_while_they_are_written_at_full_speed(manager: Manager) -> None:
    """O-iterate"""
    lines = 300_000
    manager.register(child("p", "floods.py", lines, autostart=False))
    manager.start()
    with ThreadPoolExecutor(2) as pool:
        followers = [pool.submit(follow_to_the_end, manager) for _ in range(2)]
        manager.start_process("p")
        while not all(follower.done() for follower in followers):
            seqs = [line.seq for line in manager.logs("p", lines=1000) if line.seq]
            assert seqs == list(range(seqs[0], seqs[0] + len(seqs))) if seqs else True
        assert [follower.result() for follower in followers] == [lines + 1] * 2


def test_a_follower_sees_every_line_of_a_slow_child_once(manager: Manager) -> None:
    """O-order"""
    manager.register(child("p", "interleaves.py", 300, autostart=False))
    manager.start()
    follower = manager.follow("p", after=0, timeout=10)
    manager.start_process("p")
    lines = [next(follower) for _ in range(302)]
    assert all(isinstance(line, LogLine) for line in lines)
    assert lines == list(manager.logs("p", lines=1000))
