"""One owner among many workers, each a real process: who leads, what followers can do, how the lead moves on."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from processes.workers import Raised, Worker, Workers, configured, workers
from support import until



@pytest.fixture
def team(tmp_path: Path) -> Iterator[Workers]:
    """Workers of one directory; there are none yet."""
    with workers(tmp_path) as team:
        yield team


def running(worker: Worker, id: str = "p") -> Any:
    """Wait until process *id* is running; return its status."""
    return worker(f"m.wait_for({id!r}, 'running', 20)")


# -- who leads ---------------------------------------------------------------------
def test_one_leads_and_the_others_follow(team: Workers) -> None:
    """P1"""
    all_of_them = [team.new(configured("p")) for _ in range(4)]
    assert [worker.role for worker in all_of_them] == ["owner", "follower", "follower", "follower"]
    assert len({running(worker)["pid"] for worker in all_of_them}) == 1
    assert all(worker("m.started") for worker in all_of_them)
    all_of_them[0]("m.stop()")
    assert all_of_them[0].role == "stopped"
    # the newest of those who wait leads next
    assert [worker.role for worker in (team.owner, *all_of_them[1:])] == ["owner", "follower", "follower", "owner"]


LOOKS = {
    "m.list()": lambda answer: [one["id"] for one in answer] == ["p", "q"],
    "m.status('p')": lambda answer: answer["status"] == "running" and answer["run"] == 1,
    "m.ids": lambda answer: answer == ["p", "q"],
    "list(m)": lambda answer: answer == ["p", "q"],
    "'p' in m": lambda answer: answer is True,
    "'x' in m": lambda answer: answer is False,
    "len(m)": lambda answer: answer == 2,
    "m.logs('p')": lambda answer: [line["content"] for line in answer] == ["ready"],
    "m.logs('p', lines=5)": lambda answer: answer[0]["seq"] == 1,
    "list(m.follow('p', 0, 0.1))": lambda answer: [line["content"] for line in answer] == ["ready"],
    "list(m.follow('p', timeout=0.1))": lambda answer: answer == [],
    "m.wait_for('p', 'running')": lambda answer: answer["kind"] == "Status",
    "m.wait_for('p', ('running', 'failed'), timeout=5)": lambda answer: answer["status"] == "running",
    "m.wait_for('p', lambda status: status.run == 1)": lambda answer: answer["run"] == 1,
    "m.wait_for('p', until=lambda status: status.run == 1, timeout=5)": lambda answer: answer["run"] == 1,
    "m.start_process('q')": lambda answer: answer is None,
    "(m.start_process('q', wait=False), m.wait_for('q', 'running').id)": lambda answer: answer == [None, "q"],
    "(m.restart_process('p'), m.status('p').run)": lambda answer: answer == [None, 2],
    "(m.stop_process('p'), m.status('p').status)": lambda answer: answer == [None, "stopped"],
    "(m.remove('p'), m.ids)": lambda answer: answer == [None, ["q"]],
    "(m.stop_process('p'), m.start_process('p', timeout=10), m.status('p').run)":
        lambda answer: answer == [None, None, 2],
}

ERRORS = {
    "m.status('x')": ("ProcessNotFound", {"id": "x"}),
    "m.remove('x')": ("ProcessNotFound", {"id": "x"}),
    "m.stop_process('x')": ("ProcessNotFound", {"id": "x"}),
    "m.follow('x')": ("ProcessNotFound", {"id": "x"}),
    "m.logs('p', 0)": ("ValueError", {}),
    "m.wait_for('p', 'asleep')": ("ValueError", {}),
    "m.wait_for('p', 3)": ("TypeError", {}),
    "m.start_process('p')": ("AlreadyRunning", {"id": "p"}),
    "m.wait_for('p', 'stopped', timeout=0.05)": ("WaitTimeout", {"id": "p"}),
    "m.wait_for('p', lambda status: 1 / 0)": ("ZeroDivisionError", {}),
    "m.wait_for('p', lambda status: open('/nonexistent'))": ("FileNotFoundError", {"errno": None}),
    "m.wait_for('failing', 'running')": ("StartFailed", {"id": "failing"}),
    "m.start_process('failing')": ("StartFailed", {"id": "failing"}),
    "register(id='p', command='x')": ("DuplicateProcess", {"id": "p"}),
    "m.register('p')": ("TypeError", {}),
    "m.nothing()": ("AttributeError", {}),
    "m.status()": ("TypeError", {}),
}


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("team")


@pytest.mark.parametrize("expression", LOOKS)
def test_a_follower_can_do_what_the_owner_can(team: Workers, expression: str) -> None:
    processes = configured("p"), configured("q", autostart=False)
    owner, follower = team.new(*processes), team.new(*processes)
    until(lambda: len(follower("m.logs('p')")) == 1)
    assert follower.role == "follower"
    assert LOOKS[expression](follower(expression))
    assert (owner.role, follower.role) == ("owner", "follower")


def test_errors_of_the_owner_arrive_as_what_they_are(team: Workers) -> None:
    processes = configured("p"), configured("failing", script="/nonexistent.py", restart="never")
    owner, follower = team.new(*processes), team.new(*processes)
    running(follower)
    follower("m.wait_for('failing', 'failed')")
    for expression, (kind, attributes) in ERRORS.items():
        raised = []
        for worker in (owner, follower):
            with pytest.raises(Raised) as caught:
                worker(expression)
            raised.append(caught.value.told)
        assert raised[1]["raised"] == kind, expression
        for key in attributes:
            assert raised[1].get(key) == raised[0].get(key)
        assert raised[0].keys() == raised[1].keys()
        assert raised[0]["kinds"] == raised[1]["kinds"]
        assert raised[0]["message"] == raised[1]["message"]
