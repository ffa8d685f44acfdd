from __future__ import annotations

import dataclasses
import pickle
from datetime import UTC, datetime

import pytest

from processman.config import ProcessConfig
from processman.masking import MASK, Redactor
from processman.states import State, Status

STATUS = Status(
    id="web", status=State.RUNNING, pid=7, start_time=datetime(2026, 1, 30, 10, 0, tzinfo=UTC), uptime=1.5, run=2,
    config=ProcessConfig(id="web", script="web.py", env={"API_KEY": "${API_KEY}"}), escaped=("8 sh",),
    redact=Redactor(["canary-4711"]),
)  # fmt: skip


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_status_travels_without_the_secrets_of_its_run(protocol: int) -> None:
    """S13"""
    data = pickle.dumps(STATUS, protocol)
    copy = pickle.loads(data)
    assert copy == STATUS
    assert (copy.config.env, copy.redact("canary-4711")) == ({"API_KEY": "${API_KEY}"}, "canary-4711")
    assert b"canary" not in data


def test_a_changed_copy_keeps_what_hides_secrets() -> None:
    assert dataclasses.replace(STATUS, pid=None).redact("canary-4711") == MASK
