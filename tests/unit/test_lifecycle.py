"""The state machine, told inputs and times."""
from __future__ import annotations

import random

import pytest
import transition_table

from processman.lifecycle import (
    KILL_PATIENCE,
    Broken,
    Exited,
    Gone,
    Kill,
    Lifecycle,
    Report,
    Restart,
    Spawn,
    Spawned,
    SpawnFailed,
    Start,
    Stop,
    Terminate,
)
from processman.restart import RestartPolicy
from processman.states import ALIVE, Exit, State

CRASH = Exit(code=1)


def running(policy: RestartPolicy | None = None, now: float = 0.0) -> Lifecycle:
    machine = Lifecycle(policy or RestartPolicy())
    machine.handle(Start(), now)
    machine.handle(Spawned(), now)
    return machine


def crash(machine: Lifecycle, at: float) -> float | None:
    """End the run at *at*, and return how long the retry takes to come."""
    machine.handle(Exited(CRASH), at)
    return None if machine.deadline is None else machine.deadline - at


def retry(machine: Lifecycle) -> float:
    now = machine.deadline
    assert now is not None
    machine.tick(now)
    machine.handle(Spawned(), now)
    return now


def test_the_table_is_the_one_in_testdata() -> None:
    assert transition_table.FILE.read_text() == transition_table.table()


def test_retries_come_after_1_2_4_8_16_30_30_seconds() -> None:
    machine, delays, now = running(), [], 0.0
    for _ in range(7):
        delays.append(crash(machine, now + 1))
        now = retry(machine)
    assert delays == [1, 2, 4, 8, 16, 30, 30]


def test_a_run_of_more_than_ten_seconds_forgives_and_restarts_at_once() -> None:
    """L-healthy-reset"""
    machine = running()
    crash(machine, 1.0)
    now = retry(machine)
    assert crash(machine, now + 10.5) == 0
    now = retry(machine)
    assert crash(machine, now + 1) == 1


def test_a_run_of_exactly_ten_seconds_is_not_healthy() -> None:
    assert crash(running(), 10.0) == 1


def test_n_retries_are_n_plus_one_spawns() -> None:
    """L-giveup"""
    machine, now = running(RestartPolicy(max_retries=3)), 0.0
    while crash(machine, now + 1) is not None:
        now = retry(machine)
    assert (machine.state, machine.run, machine.last_error) == (State.FAILED, 4, "exit code 1")
    assert machine.handle(Start(), now + 2) == (Spawn(5),)


def test_no_retries_means_none_even_after_a_healthy_run() -> None:
    machine = running(RestartPolicy(max_retries=0))
    crash(machine, 3600.0)
    assert machine.state is State.FAILED


def test_minus_one_never_gives_up() -> None:
    machine, now = running(RestartPolicy(max_retries=-1)), 0.0
    for _ in range(200):
        assert crash(machine, now + 1) is not None
        now = retry(machine)


@pytest.mark.parametrize(
    ("restart", "exit", "state"),
    [
        ("always", Exit(code=0), State.CRASHED),
        ("always", CRASH, State.CRASHED),
        ("on-failure", Exit(code=0), State.EXITED),
        ("on-failure", CRASH, State.CRASHED),
        ("on-failure", Exit(signal="SIGKILL"), State.CRASHED),
        ("on-failure", Exit(), State.CRASHED),
        ("never", Exit(code=0), State.EXITED),
        ("never", CRASH, State.FAILED),
        ("never", Exit(), State.FAILED),
    ],
)
def test_the_policy_judges_an_end(restart: str, exit: Exit, state: State) -> None:
    machine = running(RestartPolicy(restart=restart))
    machine.handle(Exited(exit), 1.0)
    assert machine.state is state


def test_success_codes_may_be_others_than_zero() -> None:
    machine = running(RestartPolicy(restart="on-failure", success_exit_codes=(7,)))
    machine.handle(Exited(Exit(code=7)), 1.0)
    assert machine.state is State.EXITED


@pytest.mark.parametrize("backoff", [1e-6, 0.001])
def test_automatic_spawns_are_a_tenth_of_a_second_apart(backoff: float) -> None:
    """L-storm-floor"""
    machine = running(RestartPolicy(max_retries=-1, backoff=backoff))
    crash(machine, 0.01)
    assert machine.deadline == pytest.approx(0.1)


def test_stop_during_backoff_is_immediate() -> None:
    """L-stop-backoff"""
    machine = running()
    crash(machine, 1.0)
    assert machine.handle(Stop(), 1.1) == ()
    assert (machine.state, machine.deadline) == (State.STOPPED, None)
    assert machine.tick(1e9) == ()


def test_restart_during_backoff_is_immediate_and_forgives() -> None:
    """L-restart-backoff"""
    machine = running()
    crash(machine, 1.0)
    assert machine.handle(Restart(), 1.1) == (Spawn(2),)
    assert machine.failures == 0


def test_restarts_by_hand_are_no_failures() -> None:
    """L-manual-not-failure"""
    machine = running(RestartPolicy(max_retries=3))
    for number in range(50):
        machine.handle(Restart(), number * 0.2)
        machine.handle(Gone(Exit(signal="SIGTERM")), number * 0.2)
        machine.handle(Spawned(), number * 0.2)
    assert (machine.state, machine.failures, machine.run) == (State.RUNNING, 0, 51)


def test_last_word_wins() -> None:
    """L-stop-then-start"""
    machine = running()
    machine.handle(Stop(), 1.0)
    machine.handle(Start(), 1.5)
    assert machine.state is State.STOPPING
    assert machine.handle(Gone(Exit(signal="SIGTERM")), 2.0) == (Spawn(2),)
    machine.handle(Spawned(), 2.0)
    machine.handle(Restart(), 3.0)
    machine.handle(Stop(), 3.1)
    assert machine.handle(Gone(Exit(signal="SIGTERM")), 3.2) == ()
    assert machine.state is State.STOPPED


def test_a_stop_is_escalated_once_and_then_reported() -> None:
    machine = Lifecycle(RestartPolicy(), stop_timeout=3.0)
    machine.handle(Start(), 0.0)
    machine.handle(Spawned(), 0.0)
    assert machine.handle(Stop(), 1.0) == (Terminate(),)
    assert machine.tick(3.9) == ()
    assert machine.tick(4.0) == (Kill(),)
    assert machine.tick(4.0 + KILL_PATIENCE) == (Report(),)
    assert machine.deadline is None
    assert machine.state is State.STOPPING


def test_what_survives_sigkill_is_never_called_stopped_nor_doubled() -> None:
    machine = running()
    machine.handle(Stop(), 1.0)
    machine.tick(11.0)
    machine.tick(13.0)
    machine.handle(Start(), 20.0)
    assert machine.state is State.STOPPING
    assert machine.handle(Gone(Exit(signal="SIGKILL")), 30.0) == (Spawn(2),)


def test_a_stop_at_once_shortens_the_grace() -> None:
    machine = running()
    machine.handle(Stop(), 1.0)
    machine.handle(Stop(grace=0.0), 2.0)
    assert machine.tick(2.0) == (Kill(),)
    machine.handle(Stop(grace=0.0), 2.1)
    assert machine.tick(2.1) == ()


def test_a_stop_does_not_lengthen_the_grace() -> None:
    machine = running()
    machine.handle(Stop(), 1.0)
    machine.handle(Stop(), 9.0)
    assert machine.tick(11.0) == (Kill(),)


def test_a_leader_that_ends_takes_the_rest_with_it_before_a_new_run() -> None:
    """T-leader-dies"""
    machine = running()
    assert machine.handle(Exited(CRASH, rest=True), 1.0) == (Terminate(),)
    assert machine.state is State.STOPPING
    assert machine.tick(11.0) == (Kill(),)
    machine.handle(Gone(CRASH), 12.0)
    assert (machine.state, machine.deadline) == (State.CRASHED, 13.0)


def test_health_is_judged_at_the_exit_not_when_the_rest_is_gone() -> None:
    machine = running()
    machine.handle(Exited(CRASH, rest=True), 1.0)
    machine.handle(Gone(CRASH), 100.0)
    assert machine.failures == 1


def test_the_last_error_survives_retries_until_somebody_asks() -> None:
    machine = running()
    crash(machine, 1.0)
    now = retry(machine)
    assert machine.last_error == "exit code 1"
    machine.handle(Restart(), now + 1)
    machine.handle(Gone(Exit(signal="SIGTERM")), now + 1)
    assert machine.last_error == "exit code 1"
    machine.handle(Spawned(), now + 1)
    assert machine.last_error == ""


@pytest.mark.parametrize(("exit", "words"), [
    (Exit(code=3), "exit code 3"),
    (Exit(signal="SIGKILL"), "killed by SIGKILL"),
    (Exit(), "exit status unknown: it was taken by the host process"),
])
def test_the_last_error_is_in_words(exit: Exit, words: str) -> None:
    machine = running()
    machine.handle(Exited(exit), 1.0)
    assert machine.last_error == words


def test_what_is_missing_is_permanent_only_when_just_asked_for() -> None:
    machine = Lifecycle(RestartPolicy())
    machine.handle(Start(), 0.0)
    machine.handle(SpawnFailed("cannot find script", "missing"), 0.0)
    assert machine.state is State.FAILED

    machine = running()
    crash(machine, 1.0)
    machine.tick(2.0)
    machine.handle(SpawnFailed("cannot find script", "missing"), 2.0)
    assert (machine.state, machine.last_error) == (State.CRASHED, "cannot find script")


def test_a_spawn_that_fails_counts_like_a_crash() -> None:
    machine = Lifecycle(RestartPolicy(max_retries=2))
    machine.handle(Start(), 0.0)
    for delay in (1.0, 2.0):
        now = machine.deadline or 0.0
        machine.handle(SpawnFailed("no descriptors left"), now)
        assert machine.deadline == now + delay
        machine.tick(machine.deadline)
    machine.handle(SpawnFailed("no descriptors left"), 9.0)
    assert machine.state is State.FAILED


def test_what_is_invalid_is_permanent_even_in_a_retry() -> None:
    machine = running()
    crash(machine, 1.0)
    machine.tick(2.0)
    machine.handle(SpawnFailed("variable unset", "invalid"), 2.0)
    assert (machine.state, machine.deadline) == (State.FAILED, None)


def test_a_broken_supervisor_ends_the_tree_then_fails_and_still_obeys() -> None:
    """H-owner-exception"""
    machine = running()
    assert machine.handle(Broken("internal error", alive=True), 1.0) == (Terminate(),)
    assert machine.tick(1.0) == (Kill(),)
    machine.handle(Gone(Exit(signal="SIGKILL")), 1.1)
    assert (machine.state, machine.last_error) == (State.FAILED, "internal error")
    assert machine.handle(Start(), 2.0) == (Spawn(2),)


def test_a_broken_supervisor_without_a_child_fails() -> None:
    machine = running()
    crash(machine, 1.0)
    machine.handle(Broken("internal error", alive=False), 1.5)
    assert (machine.state, machine.deadline) == (State.FAILED, None)


@pytest.mark.parametrize("seed", range(300))
def test_random_histories_keep_one_child_and_end_every_wish(seed: int) -> None:
    chance = random.Random(seed)
    policy = RestartPolicy(max_retries=chance.choice([-1, 0, 2]), restart=chance.choice(["always", "never"]))
    machine = Lifecycle(policy)
    child, now = None, 0.0
    for _ in range(300):
        now += chance.choice([0.0, 0.05, 1.0, 11.0])
        if machine.state is State.STARTING:
            worked = chance.random() < 0.7
            child = "leader" if worked else None
            failed = SpawnFailed("no", chance.choice(["invalid", "transient"]))
            actions = machine.handle(Spawned() if worked else failed, now)
        elif child == "leader" and chance.random() < 0.3:
            rest = chance.random() < 0.3
            child = "rest" if rest else None
            actions = machine.handle(Exited(CRASH, rest=rest), now)
        elif child == "rest" and chance.random() < 0.5:
            child = None
            actions = machine.handle(Gone(CRASH), now)
        else:
            actions = machine.handle(chance.choice([Start(), Stop(), Restart()]), now) or machine.tick(now)
        for action in actions:
            assert not (isinstance(action, Spawn) and child), "a second copy"
        assert bool(child) == (machine.state in ALIVE - {State.STARTING})
        assert machine.deadline is None or machine.state in (State.CRASHED, State.STOPPING)
