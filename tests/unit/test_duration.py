"""Durations: what is one, what is none, and how they are spelled."""
from __future__ import annotations

import time
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processman import duration


@pytest.mark.parametrize(("text", "seconds"), [
    ("1s", 1.0), ("500ms", 0.5), ("1.5s", 1.5), (".5s", 0.5), ("1.s", 1.0), ("2m", 120.0), ("1h2m", 3720.0),
    ("1h2m3.5s", 3723.5), ("24h", 86400.0), ("1440m", 86400.0), ("1us", 1e-6), ("1µs", 1e-6), ("1μs", 1e-6),
    ("1ns", 1e-9), ("007s", 7.0), ("1s1s", 2.0), ("1m1h", 3660.0), ("0h1s", 1.0),
])
def test_duration_is_read(text: str, seconds: float) -> None:
    assert duration.parse(text) == pytest.approx(seconds, rel=1e-12)
    assert duration.seconds(text) == duration.parse(text)


@pytest.mark.parametrize("text", [
    "", "0", "0s", "0h0m0s", "1", "-1s", "+1s", "1 s", " 1s", "1s ", "1s\n", "1d", "1S", "1H", "1e3s", "1_0s",
    "s", ".s", ".", "NaN", "inf", "infs", "1s1", "1.2.3s", "1,5s", "٣s", "1\u017f", "PT1S", "24h1ns", "25h",
    "0.1ns", "9" * 400 + "h", "1s" * 33, "1s\0",
])
def test_what_is_no_duration_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match=r"^must be a duration such as ") as caught:
        duration.parse(text)
    assert str(caught.value) == duration.RULE


@pytest.mark.parametrize(("value", "seconds"), [
    (1, 1.0), (0.25, 0.25), (86400, 86400.0), (timedelta(minutes=2), 120.0), (timedelta(microseconds=1), 1e-6),
])
def test_code_may_give_numbers_and_timedeltas(value: float | timedelta, seconds: float) -> None:
    assert duration.seconds(value) == seconds
    assert isinstance(duration.seconds(value), float)


@pytest.mark.parametrize("value", [
    0, -1, 0.0, -0.5, 86401, 1e-12, float("nan"), float("inf"), float("-inf"), 10**400, True, None, b"1s", [1],
    timedelta(0), timedelta(seconds=-1), timedelta(days=1, microseconds=1), timedelta.max,
])
def test_what_code_may_not_give(value: object) -> None:
    with pytest.raises(ValueError, match=r"^must be a duration such as "):
        duration.seconds(value)  # type: ignore[arg-type]


@pytest.mark.parametrize(("seconds", "text"), [
    (0, "0s"), (1, "1s"), (59, "59s"), (60, "1m0s"), (3600, "1h0m0s"), (9015, "2h30m15s"), (90061, "25h1m1s"),
    (0.5, "500ms"), (1.5, "1.5s"), (61.25, "1m1.25s"), (0.0015, "1.5ms"), (1e-6, "1us"), (1.5e-6, "1.5us"),
    (1e-9, "1ns"), (1e-12, "0s"), (0.1 + 0.2, "300ms"), (0.999999999, "999.999999ms"), (100, "1m40s"),
    (10.0000000001, "10s"),
])
def test_duration_is_spelled_as_go_does(seconds: float, text: str) -> None:
    assert duration.text(seconds) == text


@settings(deadline=None)
@given(st.integers(1, 24 * 3600 * 10**9))
def test_what_is_spelled_can_be_read_again(nanoseconds: int) -> None:
    seconds = nanoseconds / 10**9
    assert duration.parse(duration.text(seconds)) == pytest.approx(seconds, abs=1e-9)


@pytest.mark.parametrize("piece", ["9", "1s", "1ns", ".", "9.", "1m1", "µ", "\n"])
def test_a_megabyte_is_judged_at_once(piece: str) -> None:
    """S20"""
    text = piece * (1024 * 1024 // len(piece))
    began = time.process_time()
    with pytest.raises(ValueError, match="must be a duration"):
        duration.parse(text)
    assert time.process_time() - began < 0.1
