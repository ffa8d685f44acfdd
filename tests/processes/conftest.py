"""Where a keeper lives, and workers that share their processes."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from processes.keepers import Ground
from processes.workers import Workers, workers


@pytest.fixture
def ground() -> Iterator[Ground]:
    """Where one keeper lives at a time; there is none yet."""
    made = Ground()
    yield made
    made.close()


@pytest.fixture
def team(tmp_path: Path) -> Iterator[Workers]:
    """Workers of one directory; there are none yet."""
    with workers(tmp_path) as team:
        yield team
