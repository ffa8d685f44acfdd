from __future__ import annotations

import pytest

from processman.restart import CAP, RestartPolicy, Verdict
from processman.states import Exit, State


@pytest.mark.parametrize(("backoff", "delays"), [
    (1.0, [1, 2, 4, 8, 16, 30, 30]),
    (0.5, [0.5, 1, 2, 4, 8, 16, 30]),
    (40.0, [30, 30]),
    (1e-6, [1e-6, 2e-6]),
])
def test_delays_double_up_to_thirty_seconds(backoff: float, delays: list[float]) -> None:
    policy = RestartPolicy(backoff=backoff)
    assert [policy.delay(number) for number in range(1, len(delays) + 1)] == pytest.approx(delays)


def test_a_delay_after_very_many_failures_is_no_overflow() -> None:
    assert RestartPolicy(backoff=86400.0).delay(1_000_000) == CAP
    assert RestartPolicy(backoff=1e-6).delay(1_000_000) == CAP


@pytest.mark.parametrize(("restart", "codes", "exit", "fine"), [
    ("always", (0,), Exit(code=0), False),
    ("on-failure", (0,), Exit(code=0), True),
    ("on-failure", (0,), Exit(code=1), False),
    ("on-failure", (0, 143), Exit(code=143), True),
    ("on-failure", (1,), Exit(code=0), False),
    ("never", (0,), Exit(code=0), True),
    ("never", (0,), Exit(signal="SIGTERM"), False),
    ("on-failure", (0,), Exit(), False),
])
def test_an_end_is_fine_when_the_policy_says_so(
    restart: str, codes: tuple[int, ...], exit: Exit, fine: bool
) -> None:
    assert RestartPolicy(restart=restart, success_exit_codes=codes).is_fine(exit) is fine


@pytest.mark.parametrize(("restart", "max_retries", "verdict"), [
    ("always", 10, Verdict(State.CRASHED)),
    ("on-failure", -1, Verdict(State.CRASHED)),
    ("always", 0, Verdict(State.FAILED, 5)),
    ("never", 10, Verdict(State.FAILED, 5)),
])
def test_a_healthy_run_is_forgiven_where_there_are_retries(
    restart: str, max_retries: int, verdict: Verdict
) -> None:
    policy = RestartPolicy(restart=restart, max_retries=max_retries)
    assert policy.after_exit(Exit(code=1), lasted=10.1, failures=4) == verdict


@pytest.mark.parametrize(("max_retries", "failures", "state"), [
    (0, 0, State.FAILED), (1, 0, State.CRASHED), (1, 1, State.FAILED), (10, 9, State.CRASHED),
    (10, 10, State.FAILED), (-1, 10_000, State.CRASHED),
])
def test_failures_in_a_row_use_up_retries(max_retries: int, failures: int, state: State) -> None:
    verdict = RestartPolicy(max_retries=max_retries).after_failure(failures)
    assert (verdict.state, verdict.failures) == (state, failures + 1)


def test_an_end_that_is_fine_forgives() -> None:
    policy = RestartPolicy(restart="on-failure")
    assert policy.after_exit(Exit(code=0), lasted=0.1, failures=4) == Verdict(State.EXITED)
