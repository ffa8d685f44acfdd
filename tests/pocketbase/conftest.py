"""A real PocketBase for the tests that ask one."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pocketbase.server import ADMIN, PASSWORD, PocketBase


@pytest.fixture
def pocketbase(tmp_path: Path) -> Iterator[PocketBase]:
    """A PocketBase that serves, with one superuser."""
    made = PocketBase(tmp_path / "pb_data")
    made.command("superuser", "upsert", ADMIN, PASSWORD)
    made.start()
    yield made
    made.stop()
