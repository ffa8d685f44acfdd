"""One owner among many workers, each a real process: who leads, what followers can do, what they configure."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from processes.host import is_alive
from processes.workers import LEAVING, Raised, Worker, Workers, configured, running, second_run, wait_for_ready
from support import until


# -- who leads ---------------------------------------------------------------------
def test_one_leads_and_the_others_follow(team: Workers) -> None:
    """P1"""
    all_of_them = team.several(4, configured("p"))
    assert [worker.role for worker in all_of_them] == ["owner", "follower", "follower", "follower"]
    assert len({running(worker)["pid"] for worker in all_of_them}) == 1
    assert all(worker("m.started") for worker in all_of_them)
    all_of_them[0]("m.stop()")
    assert all_of_them[0].role == "stopped"
    # the newest of those who wait leads next
    assert [worker.role for worker in (team.owner, *all_of_them[1:])] == ["owner", "follower", "follower", "owner"]


#: in this order, what is asked of a follower and what the answer has to be
ASKED: tuple[tuple[str, Callable[[Any], bool]], ...] = (
    ("m.list()", lambda answer: [one["id"] for one in answer] == ["p", "q"]),
    ("m.status('p')", lambda answer: (answer["status"], answer["run"]) == ("running", 1)),
    ("m.ids", lambda answer: answer == ["p", "q"]),
    ("list(m)", lambda answer: answer == ["p", "q"]),
    ("'p' in m", lambda answer: answer is True),
    ("'x' in m", lambda answer: answer is False),
    ("len(m)", lambda answer: answer == 2),
    ("m.logs('p')", lambda answer: [line["content"] for line in answer] == ["ready"]),
    ("m.logs('p', lines=5)", lambda answer: answer[0]["seq"] == 1),
    ("list(m.follow('p', 0, 0.1))", lambda answer: [line["content"] for line in answer] == ["ready"]),
    ("list(m.follow('p', timeout=0.1))", lambda answer: answer == []),
    ("m.wait_for('p', 'running')", lambda answer: answer["kind"] == "Status"),
    ("m.wait_for('p', ('running', 'failed'), timeout=5)", lambda answer: answer["status"] == "running"),
    ("m.wait_for('p', lambda status: status.run == 1)", lambda answer: answer["run"] == 1),
    ("m.wait_for('p', until=lambda status: status.run == 1, timeout=5)", lambda answer: answer["run"] == 1),
    ("m.start_process('q')", lambda answer: answer is None),
    ("(m.stop_process('q'), m.status('q').status)", lambda answer: answer == [None, "stopped"]),
    ("(m.start_process('q', wait=False), m.wait_for('q', 'running').run)", lambda answer: answer == [None, 2]),
    ("(m.stop_process('q', wait=False), m.wait_for('q', 'stopped').run)", lambda answer: answer == [None, 2]),
    ("(m.start_process('q', timeout=10), m.status('q').run)", lambda answer: answer == [None, 3]),
    ("(m.restart_process('p'), m.status('p').run)", lambda answer: answer == [None, 2]),
    ("(m.remove('p'), m.ids)", lambda answer: answer == [None, ["q"]]),
)

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


def test_a_follower_can_do_what_the_owner_can(team: Workers) -> None:
    processes = configured("p"), configured("q", autostart=False)
    owner, follower = team.new(*processes), team.new(*processes)
    wait_for_ready(follower)
    for expression, is_right in ASKED:
        answer = follower(expression)
        assert is_right(answer), (expression, answer)
    assert (owner.role, follower.role) == ("owner", "follower")
    assert [one["run"] for one in owner("m.list()")] == [3]


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


# -- what hosts configure ----------------------------------------------------------
def test_equal_registrations_are_one(team: Workers) -> None:
    """P1"""
    owner, follower = team.new(configured("p")), team.new(configured("p"))
    status = running(owner)
    owner("register(**kept.setdefault('late', dict(id='late', command='sleep', args=['600'])))")
    follower("register(id='late', command='sleep', args=['600'])")
    late = running(follower, "late")
    assert [owner("m.status('p')")[key] for key in ("pid", "run")] == [status["pid"], 1]
    assert owner("m.status('late')")["run"] == 1
    assert owner("m.status('late')")["pid"] == late["pid"]
    assert follower("m.ids") == ["p", "late"]


def test_a_registration_of_a_newer_host_replaces_an_older_ones(team: Workers) -> None:
    """P15"""
    older = team.new(configured("p"), configured("q"))
    before = {id: running(older, id) for id in "pq"}
    newer = team.new(configured("p", "waits.py", "new"), configured("q"))
    now = second_run(newer, "p")
    assert now["config"]["args"] == ["new"]
    assert older("m.status('q')")["pid"] == before["q"]["pid"]
    assert older("m.ids") == ["p", "q"], "it stays in its place"
    assert (older.role, newer.role) == ("owner", "follower")
    assert not is_alive(before["p"]["pid"])


def test_a_registration_of_an_older_host_replaces_nothing(team: Workers) -> None:
    """P15"""
    oldest, older, newer = team.new(configured("p")), team.new(), team.new()
    newer("register(id='q', command='sleep', args=['601'])")
    status = running(newer, "q")
    older("register(id='q', command='sleep', args=['602'])")
    oldest("register(id='q', command='sleep', args=['603'])")
    now = older("m.status('q')")
    assert (now["pid"], now["run"], now["config"]["args"]) == (status["pid"], 1, ["601"])
    oldest("m.restart_process('q')")
    assert oldest("m.status('q')")["config"]["args"] == ["601"]


def test_the_owner_may_be_newer_than_who_registered_first(team: Workers) -> None:
    older, newer = team.new(), team.new()
    older.exit()
    assert team.owner is newer
    newest = team.new()
    newest("register(id='q', command='sleep', args=['1000'])")
    newer("register(id='q', command='sleep', args=['2000'])")
    assert newest("m.wait_for('q', 'running', 10)")["config"]["args"] == ["1000"]


def test_hosts_that_register_at_once_make_one(team: Workers) -> None:
    all_of_them = team.several(4)
    for number in range(10):
        for worker in all_of_them:
            worker.ask(f"register(id='p{number}', command='sleep', args=['600'])")
        for worker in all_of_them:
            worker.answer()
    for number in range(10):
        status = running(all_of_them[3], f"p{number}")
        assert status["run"] == 1
    assert all_of_them[0]("len(m)") == 10


@pytest.mark.parametrize("remover", ["owner", "follower"])
def test_what_is_removed_does_not_come_back_with_the_next_owner(team: Workers, remover: str) -> None:
    processes = configured("p"), configured("q")
    owner, follower, another = team.several(3, *processes)
    running(follower)
    (owner if remover == "owner" else follower)("m.remove('p')")
    assert another("m.ids") == ["q"]
    newest = team.new(*processes)
    assert newest("m.ids") == ["q"], "nor with a host that begins now"
    for leaver in (owner, newest, another):
        leaver.kill()
        assert team.owner("m.ids") == ["q"]
    follower("register(id='p', command='sleep', args=['600'])")
    running(follower)
    changed = team.new(configured("p", "waits.py", "changed"), configured("q"))
    assert changed("m.wait_for('p', lambda one: one.config.args == ('changed',), 10)")["id"] == "p"


def test_what_was_removed_can_be_registered_again_just_as_it_was(team: Workers) -> None:
    owner, follower = team.new(), team.new()
    for worker in (owner, follower):
        worker("register(id='p', command='sleep', args=['600'])")
    follower("m.remove('p')")
    follower("register(id='p', command='sleep', args=['600'])")
    running(owner)
    owner.kill()
    assert running(team.owner)["id"] == "p"


# -- leaving -----------------------------------------------------------------------
@pytest.mark.parametrize("way", LEAVING)
def test_processes_end_with_the_last_who_leaves(team: Workers, way: str) -> None:
    """F-exit-paths P3"""
    said = team.directory / "said"
    processes = configured("p", "slow_stop.py", 0.2), configured("beat", "heartbeat.py", said)
    all_of_them = team.several(3, *processes)
    pid = running(all_of_them[0])["pid"]
    wait_for_ready(all_of_them[0])
    for worker in (all_of_them[1], all_of_them[0]):  # a follower, then the owner
        LEAVING[way](worker)
        now = running(all_of_them[2])
        assert (now["pid"], now["run"]) == (pid, 1)
        assert is_alive(pid)
    assert all_of_them[2].role == "owner"
    until(lambda: "ready" in [line["content"] for line in all_of_them[2]("m.logs('p')")] or way == "SIGKILL")
    LEAVING[way](all_of_them[2])
    until(lambda: not is_alive(pid))
    until(lambda: not team.keeper)
    assert len(set(said.read_text().split())) == 1, "one copy, and no other ever"


def test_a_stop_of_the_last_returns_when_every_tree_is_gone(team: Workers) -> None:
    owner, follower = team.new(configured("p", "slow_stop.py", 0.3)), team.new(configured("p", "slow_stop.py", 0.3))
    pid = running(owner)["pid"]
    wait_for_ready(owner)
    follower("m.stop()")
    owner("m.stop()")
    assert not is_alive(pid)
    assert [line["content"] for line in owner("m.logs('p')")] == ["ready", "stopping", "bye"]


def test_who_has_stopped_may_start_again(team: Workers) -> None:
    owner, follower = team.new(configured("p")), team.new(configured("p"))
    pid = running(owner)["pid"]
    for _ in range(3):
        for worker in (owner, follower):
            worker("m.stop()")
            assert worker.role == "stopped"
            worker("m.start()")
            assert running(worker)["pid"] == pid
    assert sorted([owner.role, follower.role]) == ["follower", "owner"]


def test_a_stopped_manager_knows_nothing_of_what_others_do(team: Workers) -> None:
    owner, follower = team.new(configured("p")), team.new(configured("p"))
    running(owner)
    for worker in (owner, follower):
        worker("m.stop()")
        assert [one["status"] for one in worker("m.list()")] == ["stopped"]
        with pytest.raises(Raised, match="NotStarted"):
            worker("m.stop_process('p')")
        worker("m.start()")


#: asks for lines as a server with threads does
NEWS = ("__import__('werkzeug.test').test.Client("
        "__import__('processman.wsgi').wsgi.create_app(m, auth=lambda _: True))"
        ".get('/p/logs?after={}&epoch={}&wait=20', multithread=True).json")


def test_a_follower_waits_for_lines_at_the_owner(team: Workers) -> None:
    owner, follower = team.new(configured("p")), team.new(configured("p"))
    wait_for_ready(follower)
    first = follower(NEWS.format(0, ""))
    assert [item["content"] for item in first["items"]] == ["ready"]
    follower.ask(NEWS.format(first["next"], first["epoch"]))
    owner("m.restart_process('p')")
    second = follower.answer()
    assert [(item["content"], item["run"]) for item in second["items"]] == [("ready", 2)]
    team.new(configured("p"))
    owner.exit()  # and the next owner goes on with the same numbers
    assert first["epoch"] == until(lambda: _epoch(follower)) == second["epoch"]


def _epoch(worker: Worker) -> str:
    return str(worker(NEWS.format(0, "")).get("epoch", ""))


#: asks in a thread of its own, and keeps the answer in ``kept``
IN_A_THREAD = "threading.Thread(target=lambda: kept.update(answer={})).start()"


def test_a_stop_of_a_follower_ends_its_waiting(team: Workers) -> None:
    owner, follower = team.new(configured("p")), team.new(configured("p"))
    wait_for_ready(follower)
    follower(IN_A_THREAD.format(NEWS.format(1, "")))
    until(lambda: "processman-asked" in owner("[thread.name for thread in threading.enumerate()]"))
    follower("m.stop()")
    answer = until(lambda: follower("kept.get('answer')"))
    assert answer.get("items", []) == []
