"""What ends everything that runs beside PocketBase."""
from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from processman import Config, Event, Manager, ProcessConfig, State, Status
from processman.foreground import Signals
from processman.pocketbase.first import POCKETBASE, First
from processman.pocketbase.serving import Serving


def event(kind: State, *, id: str = POCKETBASE, **more: object) -> Event:
    config = ProcessConfig(id=id, command="pocketbase")
    status = Status(id=id, status=kind, config=config, **more)  # type: ignore[arg-type]
    return Event(seq=1, timestamp=datetime.now(UTC), process_id=id, kind=kind, status=status)


@pytest.fixture
def first(tmp_path: Path) -> First:
    return First(Manager(Config(data_dir=tmp_path), _idle=True), Serving.of(["pocketbase", "serve"], tmp_path))


@pytest.mark.parametrize(("kind", "served", "more", "misconfigured"), [
    (State.CRASHED, False, {"exit_code": 1, "last_error": "exit code 1"}, True),
    (State.FAILED, False, {"last_error": "cannot find it"}, True),
    (State.FAILED, False, {"signal": "SIGKILL", "last_error": "killed by SIGKILL"}, False),
    (State.FAILED, True, {"exit_code": 1, "last_error": "exit code 1"}, False),
])
def test_it_all_ends(first: First, kind: State, served: bool, more: dict[str, object], misconfigured: bool) -> None:
    first.serves = served
    with Signals() as signals:
        assert first.hear(event(kind, **more))
        assert signals.wait()
    assert (first.failure, first.misconfigured) == (more["last_error"], misconfigured)


@pytest.mark.parametrize(("kind", "served", "more"), [
    (State.CRASHED, True, {"exit_code": 1}),
    (State.CRASHED, False, {"signal": "SIGKILL"}),
    (State.FAILED, True, {"id": "worker"}),
    (State.STOPPED, True, {}),
])
def test_it_all_goes_on(first: First, kind: State, served: bool, more: dict[str, object]) -> None:
    first.serves = served
    assert not first.hear(event(kind, **more))  # type: ignore[arg-type]
    assert not first.failure
