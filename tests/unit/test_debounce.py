from __future__ import annotations

from itertools import pairwise

import pytest

from processman.debounce import ChangeLoop, Debounce


def restarts(debounce: Debounce, touches: list[float], until: float) -> list[float]:
    """Play *touches* in steps of 10 ms and return when it was time."""
    due = []
    for step in range(round(until * 100) + 1):
        now = step / 100
        if now in touches:
            debounce.touch(now)
        if debounce.due(now):
            due.append(now)
    return due


@pytest.mark.parametrize(
    ("touches", "expected"),
    [
        ([], []),
        ([1.0], [1.5]),
        ([1.0, 1.2, 1.4], [1.9]),
        ([1.0, 2.0], [1.5, 2.5]),
        ([1.0, 1.4, 1.8, 2.2, 2.6, 2.9], [3.0]),
        ([1.0, 1.4, 1.8, 2.2, 2.6, 3.0, 3.1], [3.0, 3.6]),
    ],
)
def test_time_is_when_quiet_and_never_later_than_the_limit(
    touches: list[float], expected: list[float]
) -> None:
    assert restarts(Debounce(), touches, until=5) == expected


def test_steady_writes_restart_by_the_limit() -> None:
    """W-steady"""
    due = restarts(Debounce(), [step / 10 for step in range(300)], until=35)
    assert 10 <= len(due) <= 16
    assert all(later - earlier >= 2 for earlier, later in pairwise(due[:-1]))


def test_deadline_is_when_to_ask() -> None:
    debounce = Debounce(quiet=1, limit=3)
    assert debounce.deadline is None
    debounce.touch(10)
    assert debounce.deadline == 11
    assert not debounce.due(10.9)
    assert debounce.due(11)
    assert debounce.deadline is None
    assert not debounce.due(12)


def test_cleared_changes_are_forgotten() -> None:
    debounce = Debounce()
    debounce.touch(1)
    debounce.clear()
    assert debounce.deadline is None
    assert not debounce.due(100)


@pytest.mark.parametrize(
    ("ages", "expected"),
    [
        ([1, 1, 1, 1], [False] * 4),
        ([1, 3, 0.5, 2, 1], [False] * 4 + [True]),
        ([1, 1, 1, 1, 3.1, 1], [False] * 6),
        ([9, 1, 1, 1, 1, 1], [False] * 5 + [True]),
    ],
)
def test_five_quick_restarts_in_a_row_are_a_loop(ages: list[float], expected: list[bool]) -> None:
    """W-selfwrite"""
    loop = ChangeLoop()
    assert [loop.restarted(age) for age in ages] == expected


def test_somebody_asking_begins_the_count_anew() -> None:
    loop = ChangeLoop(limit=2)
    assert not loop.restarted(1)
    loop.reset()
    assert not loop.restarted(1)
    assert loop.restarted(1)
