"""Files that are ours alone."""
from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from processman import private


def test_a_file_that_cannot_be_written_is_named_and_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "token"
    private.write(path, "old")

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as context:
        context.setattr(os, "write", full)
        with pytest.raises(OSError, match=r"No space left on device: '.*token'"):
            private.write(path, "new")
    assert [file.name for file in tmp_path.iterdir()] == ["token"]
    assert private.read(path) == "old"
