"""Rigs, and a manager of fake children, ended at the end."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from threads.fakes import run
from threads.rig import Rig

from processman import Config, Manager
from processman.testing import FakeChild, FakeEngine


@pytest.fixture
def rig() -> Iterator[Callable[..., Rig]]:
    """Make a rig with these options of a process."""
    made: list[Rig] = []

    def make(**options: Any) -> Rig:
        made.append(Rig(**options))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def manager(tmp_path: Path, engine: FakeEngine) -> Iterator[Manager]:
    made = Manager(Config(data_dir=str(tmp_path)), _engine=engine)
    yield made
    for child in engine.children:
        child.mortal = child.obeys = True
        if child._exit is None and not made.started:
            child.exit(signal="SIGKILL")
    made.stop()


@pytest.fixture
def unkillable(manager: Manager, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> FakeChild:
    """A running process that nothing ends; "survived" comes quickly."""
    monkeypatch.setattr("processman.lifecycle.KILL_PATIENCE", 0.01)
    run(manager, "stubborn", stop_timeout=0.01)
    child = engine.child(1)
    child.obeys = child.mortal = False
    return child
