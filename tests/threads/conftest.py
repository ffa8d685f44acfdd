"""Rigs, ended at the end."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from threads.rig import Rig


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
