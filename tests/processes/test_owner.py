"""One owner among many workers, each a real process: who leads, what followers can do, how the lead moves on."""
from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from processes.host import is_alive
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


def second_run(worker: Worker, id: str) -> Any:
    """Wait until process *id* is running for the second time; return its status."""
    return worker(f"m.wait_for({id!r}, lambda one: one.run == 2 and one.status == 'running', 10)")


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
    all_of_them = [team.new() for _ in range(4)]
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
    owner, follower, another = (team.new(*processes) for _ in range(3))
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
LEAVING = {
    "stop": lambda worker: worker("m.stop()"),
    "with": lambda worker: worker("m.__exit__(None, None, None)"),
    "the end": lambda worker: worker.exit(),
    "SIGTERM": lambda worker: worker.kill(signal.SIGTERM),
    "SIGKILL": lambda worker: worker.kill(),
}


@pytest.mark.parametrize("way", LEAVING)
def test_processes_end_with_the_last_who_leaves(team: Workers, way: str) -> None:
    """F-exit-paths P3"""
    said = team.directory / "said"
    processes = configured("p", "slow_stop.py", 0.2), configured("beat", "heartbeat.py", said)
    all_of_them = [team.new(*processes) for _ in range(3)]
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


def wait_for_ready(worker: Worker, id: str = "p") -> None:
    until(lambda: any(line["content"] == "ready" for line in worker(f"m.logs({id!r})")))


# -- the lead moves on -------------------------------------------------------------
GOING = {name: LEAVING[name] for name in ("stop", "the end", "SIGTERM", "SIGKILL")}


@pytest.mark.parametrize("way", GOING)
def test_the_next_owner_finds_everything_as_it_was(team: Workers, way: str) -> None:
    """P3: F-lead-changes"""
    processes = [
        configured("running"), configured("again"), configured("stopped"), configured("never", autostart=False),
        configured("failed", "exits_with.py", 3, restart="never"),
        configured("exited", "exits_with.py", 0, restart="on-failure"),
        configured("missing", script="/nonexistent.py"),
        configured("crashed", "exits_with.py", 4, backoff="30s"),
        configured("stopping", "slow_stop.py", 1),
    ]
    owner, older, newer = (team.new(*processes) for _ in range(3))
    for id in ("running", "again", "stopped", "stopping"):
        running(older, id)
    for id in ("failed", "exited", "crashed"):
        older(f"m.wait_for({id!r}, {id!r}, 10)")
    older("m.wait_for('missing', 'failed', 10)")
    older("m.stop_process('stopped')")
    older("m.restart_process('again')")
    wait_for_ready(older, "stopping")
    before = {one["id"]: one for one in older("m.list()")}
    older("m.stop_process('stopping', wait=False)")
    older("m.wait_for('stopping', 'stopping', 10)")  # who is killed before that has not heard of it
    GOING[way](owner)
    assert team.owner is newer
    now = {one["id"]: one for one in older("m.list()")}
    assert list(now) == [process["id"] for process in processes]
    same = ("pid", "status", "run", "restart_count", "start_time", "last_error", "exit_code", "signal")
    for id in ("running", "again", "stopped", "never", "failed", "exited", "missing"):
        assert {key: now[id][key] for key in same} == {key: before[id][key] for key in same}
    assert now["running"]["pid"] is not None
    assert older("m.wait_for('stopping', 'stopped', 10)")["run"] == 1
    assert older("m.wait_for('crashed', lambda one: one.run > 1, 10)")["id"] == "crashed", "it is tried again"


def test_only_what_is_configured_otherwise_is_restarted_by_the_next_owner(team: Workers) -> None:
    """P15"""
    idle = configured("idle", autostart=False)
    owner = team.new(configured("same"), configured("changed"), configured("gone"), idle)
    before = {id: running(owner, id) for id in ("same", "changed", "gone")}
    lasting = "register(id='lasting', command='sleep', args=['600'])"
    owner(lasting)
    before["lasting"] = running(owner, "lasting")
    newer = team.new(configured("same"), configured("changed", "waits.py", "now"), idle)
    now = second_run(newer, "changed")
    owner.kill()
    assert team.owner is newer
    assert newer("m.ids") == ["same", "changed", "idle", "lasting"]
    for id, run in (("same", 1), ("lasting", 1), ("changed", 2)):
        assert newer(f"m.status({id!r})")["run"] == run
    assert newer("m.status('changed')")["pid"] == now["pid"]
    until(lambda: not is_alive(before["gone"]["pid"]))
    last = team.new(configured("same", "waits.py", "too"))
    newer.kill()
    assert second_run(last, "same")["restart_count"] == 1


def test_what_is_configured_no_longer_is_asked_to_end_as_it_was_configured(team: Workers) -> None:
    said = team.directory / "said"
    script = f"import signal, time, pathlib\nsignal.signal(signal.SIGUSR1, lambda *_: (pathlib.Path({str(said)!r})"
    script += ".write_text('bye'), exit()))\nprint('ready', flush=True)\ntime.sleep(600)"
    gone = {"id": "gone", "command": "python3", "args": ["-c", script], "stop_signal": "SIGUSR1", "cwd": "/"}
    owner = team.new(gone, configured("p"))
    wait_for_ready(owner, "gone")
    team.new(configured("p"))
    owner.kill()
    assert team.owner("m.ids") == ["p"]
    until(said.exists)


@pytest.mark.parametrize("way", GOING)
def test_a_restart_that_was_under_way_is_brought_to_its_end(team: Workers, way: str) -> None:
    """F-lead-changes"""
    slow = configured("p", "slow_stop.py", 1)
    owner, follower = team.new(slow), team.new(slow)
    wait_for_ready(owner)
    follower("m.restart_process('p', wait=False)")
    follower("m.wait_for('p', 'stopping', 5)")
    GOING[way](owner)
    assert team.owner is follower
    assert second_run(follower, "p")["restart_count"] == 1
    assert follower("m.stop_process('p')") is None


def test_an_owner_may_be_killed_while_its_processes_change(team: Workers) -> None:
    """F-lead-changes"""
    processes = [configured("crashing", "exits_with.py", 1, max_retries=10_000), configured("p", "slow_stop.py", 0)]
    team.new(*processes), team.new(*processes)
    for _ in range(8):
        owner = team.owner
        owner.ask("[m.restart_process('p', wait=False) or time.sleep(0.01) for _ in range(20)]")
        threading.Event().wait(0.1)
        owner.kill()
        follower = team.new(*processes)
        status = follower("m.wait_for('p', 'running', 10)")
        assert is_alive(status["pid"])
        assert follower("m.status('crashing')")["run"] >= 1
    follower("m.stop_process('crashing')")
    follower("m.restart_process('p')")
    assert follower("m.status('p')")["status"] == "running"


# -- lines -------------------------------------------------------------------------
def numbers(lines: list[dict[str, Any]]) -> list[int]:
    return [int(line["content"]) for line in lines if "content" in line and not line["partial"]]


@pytest.mark.parametrize("way", GOING)
def test_lines_go_on_being_numbered(team: Workers, way: str) -> None:
    """F-lead-changes P3"""
    counting = configured("p", "counts_on.py", 1, 0.002)
    owner, follower = team.new(counting), team.new(counting)
    until(lambda: len(owner("m.logs('p', 1000)")) > 20)
    GOING[way](owner)
    assert team.owner is follower
    last = follower("m.logs('p', 1)")[0]["seq"]
    until(lambda: follower("m.logs('p', 1)")[0]["seq"] > last + 20)
    lines = [line for line in follower("m.logs('p', 1000)") if line["seq"]]
    counted = numbers(lines)
    lost = set(range(1, counted[-1])) - set(counted)
    assert len(lost) <= (2 if way == "SIGKILL" else 0), "no more than what was being read at that moment"
    assert counted == sorted(set(counted))
    assert [line["seq"] for line in lines] == sorted({line["seq"] for line in lines})
    assert lines[0]["seq"] == 1
    assert lines[-1]["seq"] >= counted[-1] - len(lost)


def test_a_log_that_is_followed_goes_on_at_the_next_owner(team: Workers) -> None:
    """F-lead-changes P3"""
    counting = configured("p", "counts_on.py", 1, 0.002)
    follower = [team.new(counting) for _ in range(2)][1]
    follower("spawn(lambda: kept.setdefault('lines', []).extend(itertools.islice(m.follow('p', 0), 1500)))")
    for _ in range(4):
        threading.Event().wait(0.4)
        owner = team.owner
        team.new(counting)
        owner.kill()
    until(lambda: "<lambda>" in follower("list(kept)"), 30)
    lines = follower("kept['lines']")
    counted, missed = numbers(lines), sum(line["missed"] for line in lines if line["kind"] == "Gap")
    assert counted == sorted(set(counted))
    assert counted[-1] - len(counted) - missed <= 8


def test_what_is_written_while_nobody_leads_is_not_lost(team: Workers) -> None:
    """O-full-pipe"""
    counting = configured("p", "counts_on.py", 100, 0.001)
    owner = team.new(counting, linger=5)
    until(lambda: owner("m.logs('p')"))
    owner.kill()
    threading.Event().wait(0.5)
    next_one = team.new(counting, linger=0)
    start = next_one("m.logs('p', 1000)")[0]["seq"]
    until(lambda: next_one("m.logs('p', 1)")[0]["seq"] > start + 30_000)
    batch = numbers(next_one("m.logs('p', 1000)"))
    assert batch == list(range(batch[0], batch[0] + len(batch)))
    assert next_one("m.status('p')")["run"] == 1


def test_a_flood_loses_no_more_than_it_says(team: Workers) -> None:
    """F-lead-changes O-flood"""
    flood = configured("p", "counts_on.py", 500, 0)
    owner, follower = team.new(flood), team.new(flood)
    until(lambda: owner("m.logs('p', 1)") and owner("m.logs('p', 1)")[0]["seq"] > 100_000)
    owner.kill()
    assert team.owner is follower
    lines = [line for line in follower("m.logs('p', 1000)") if line["seq"]]
    shift = {int(line["content"]) - line["seq"] for line in lines if not line["partial"]}
    assert max(shift) - min(shift) < 64 * 1024 / 6, "a read buffer"
    assert min(shift) >= -2


# -- requests meanwhile ------------------------------------------------------------
def test_requests_work_or_say_that_the_lead_changes_hands(team: Workers) -> None:
    """P3 H-many-requests"""
    processes = [configured("p"), configured("q", "slow_stop.py", 0)]
    follower = [team.new(*processes) for _ in range(2)][1]
    follower("""hammer(lambda: m.list(), lambda: m.status('p'), lambda: m.logs('p'),
                       lambda: m.restart_process('q', timeout=5), lambda: m.wait_for('p', 'running', 5),
                       lambda: 'p' in m, lambda: m.stop_process('q'), lambda: m.start_process('q', timeout=5))""")
    pid = running(follower)["pid"]
    for _ in range(15):
        threading.Event().wait(0.2)
        owner = team.owner
        team.new(*processes)
        owner.kill()
    for told in follower("hammered()"):
        assert set(told["raised"]) <= {"ChangingHands", "AlreadyRunning", "Overruled"}
        assert told["works"] > 10
        assert told["longest"] < 1.0, "it works again within a second"
    assert running(follower)["pid"] == pid
