"""A PocketBase project with the hook installed, ended with all that it started."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pocketbase_project import Project


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project(tmp_path / "site")
    made.install()
    yield made
    made.end()
