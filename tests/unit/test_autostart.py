"""What an integration does about a start: nothing, later, or now, and never to the harm of the application."""
from __future__ import annotations

import gc
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from processman import ConfigError, DuplicateProcess, hosts
from processman.autostart import autostart


@dataclass(eq=False)
class FakeManager:
    """Counts its starts, each of which may fail."""

    failure: Exception | None = None
    starts: list[str] = field(default_factory=list)

    def share(self) -> None:
        assert not self.starts, "it is shared before it starts"

    def defer(self) -> None:
        assert not self.starts

    def start(self) -> None:
        self.starts.append("start")
        if self.failure:
            raise self.failure


@pytest.fixture(autouse=True)
def forked(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> list[Callable[[], object]]:
    """A plain host that serves; gives what its workers would call, if it were one that forks."""
    waiting: list[Callable[[], object]] = []
    monkeypatch.setattr(hosts, "refusal", lambda: "")
    monkeypatch.setattr(hosts, "defers", lambda: False)
    monkeypatch.setattr(hosts, "after_fork", waiting.append)
    caplog.set_level(logging.INFO, "processman")
    return waiting


def test_starts_where_the_host_serves() -> None:
    manager = FakeManager()
    autostart(manager)
    assert manager.starts == ["start"]


def test_says_once_why_it_does_not_start(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(hosts, "refusal", lambda: "flask routes serves nobody")
    manager = FakeManager()
    autostart(manager)
    assert manager.starts == []
    assert [(each.levelname, each.message) for each in caplog.records] == [
        ("INFO", "processes are not started: flask routes serves nobody"),
    ]


def test_a_switch_that_is_wrong_is_not_passed_over(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PROCESSMAN_AUTOSTART", "true")
    manager = FakeManager()
    autostart(manager)
    assert manager.starts == []
    assert [(each.levelname, each.message) for each in caplog.records] == [
        ("WARNING", "processes are not started: PROCESSMAN_AUTOSTART may be 0 or 1, and is 'true'"),
    ]


@pytest.mark.parametrize("failure", [
    ConfigError("cannot load '/app/pb_processes.json': 2 problems\n  /0/id: must be a string"),
    DuplicateProcess("web"),
    PermissionError("/app/pb_data"),
], ids=lambda error: type(error).__name__)  # fmt: skip
def test_an_application_goes_on_without_processes(failure: Exception, caplog: pytest.LogCaptureFixture) -> None:
    autostart(FakeManager(failure))
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert str(failure) in caplog.text


def test_a_fault_of_ours_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        autostart(FakeManager(ZeroDivisionError()))


def test_a_master_starts_nothing_and_its_workers_do(
    monkeypatch: pytest.MonkeyPatch, forked: list[Callable[[], object]], caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(hosts, "defers", lambda: True)
    manager = FakeManager(ConfigError("cannot load '/app/pb_processes.json': it is no JSON"))
    autostart(manager)
    assert manager.starts == []
    for callback in forked:
        callback()
    assert manager.starts == ["start"]
    assert "it is no JSON" in caplog.text


def test_a_manager_that_was_thrown_away_is_not_kept_for_the_workers(
    monkeypatch: pytest.MonkeyPatch, forked: list[Callable[[], object]]
) -> None:
    monkeypatch.setattr(hosts, "defers", lambda: True)
    starts: list[str] = []
    autostart(FakeManager(starts=starts))
    gc.collect()
    for callback in forked:
        callback()
    assert starts == []
