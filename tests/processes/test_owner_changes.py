"""The lead moves on from worker to worker: what the next owner finds, the lines, and requests meanwhile."""
from __future__ import annotations

import os
import signal
import threading
from typing import Any

import pytest
from processes.host import is_alive
from processes.workers import LEAVING, Workers, configured, running, second_run, wait_for_ready
from support import until

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
    owner, older, newer = team.several(3, *processes)
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
    older("m.wait_for('stopping', 'stopping', 5)")
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


@pytest.mark.parametrize("config", [{"port": 9000}, {"dev": True}])
def test_what_the_host_puts_in_is_compared_too(team: Workers, config: dict[str, Any]) -> None:
    """P15: the port that a process was given is the one that it has."""
    says = {"id": "p", "command": "sh", "args": ["-c", "echo port $PB_PORT; exec sleep 600"]}
    processes = says, configured("own", dev_mode=False)
    owner = team.new(*processes)
    before = {id: running(owner, id)["pid"] for id in ("p", "own")}
    newer = team.new(*processes, **config)
    second_run(newer, "p")
    for worker in (owner, newer):
        port = config.get("port", 8090)
        until(lambda worker=worker, port=port: worker("m.logs('p', 1)[0].content") == f"port {port}")
    owner.kill()
    assert team.owner is newer
    assert newer("m.status('p')")["run"] == 2
    if "dev" in config:
        assert newer("m.status('own')")["pid"] == before["own"]
    else:
        assert second_run(newer, "own")["pid"] != before["own"]


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
    follower = team.several(2, counting)[1]
    follower("spawn(lambda: kept.setdefault('lines', []).extend(itertools.islice(m.follow('p', 0), 1500)))")
    for _ in range(4):
        threading.Event().wait(0.4)
        owner = team.owner
        team.new(counting)
        owner.kill()
    until(lambda: "answer" in follower("list(kept)"), 30)
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
    follower = team.several(2, *processes)[1]
    follower("""hammer(lambda: m.list(), lambda: m.status('p'), lambda: m.logs('p'),
                       lambda: m.restart_process('q', timeout=5), lambda: m.wait_for('p', 'running', 5),
                       lambda: 'p' in m, lambda: m.stop_process('q'), lambda: m.start_process('q', timeout=5))""")
    pid = running(follower)["pid"]
    for _ in range(8):
        threading.Event().wait(0.2)
        owner = team.owner
        team.new(*processes)
        owner.kill()
    for told in follower("hammered()"):
        assert set(told["raised"]) <= {"ChangingHands", "AlreadyRunning", "Overruled"}
        assert told["works"] > 10
        assert told["longest"] < 1.0, "it works again within a second"
    assert running(follower)["pid"] == pid


# -- what goes wrong ---------------------------------------------------------------
def test_a_keeper_that_is_killed_is_replaced_under_the_same_owner(team: Workers) -> None:
    """P6 F-keeper-killed"""
    processes = [configured("p"), configured("stopped"), configured("removed"), configured("idle", autostart=False)]
    owner, older, newer = team.several(3, *processes)
    running(older, "stopped")
    older("m.stop_process('stopped')")
    older("m.remove('removed')")
    pid = running(older)["pid"]
    keeper = team.keeper
    os.kill(keeper, signal.SIGKILL)
    until(lambda: not is_alive(pid))
    until(lambda: team.keeper not in (0, keeper))
    status = owner("m.wait_for('p', lambda one: one.status == 'running' and one.run == 2, 20)")
    until(lambda: [worker.role for worker in (owner, older, newer)] == ["owner", "follower", "follower"])
    until(lambda: owner("m._life._seat.others") == 2)
    assert len(team.keepers()) == 1
    for worker in (older, newer):
        until(lambda worker=worker: worker("m.status('p')")["pid"] == status["pid"])
    owner.kill()
    assert team.owner is newer
    assert older("m.ids") == ["p", "stopped", "idle"]
    assert [one["status"] for one in older("m.list()")] == ["running", "stopped", "stopped"]
    assert older("m.status('p')")["pid"] == status["pid"]


def test_keeper_and_owner_killed_at_once_leave_one_copy(team: Workers) -> None:
    """P6 F-keeper-killed"""
    beat = configured("p", "heartbeat.py", team.directory / "said")
    owner, older, newer = team.new(beat), team.new(beat), team.new(beat)
    pid = running(owner)["pid"]
    os.kill(team.keeper, signal.SIGKILL)
    owner.kill()
    until(lambda: older.role == "owner" or newer.role == "owner")
    status = running(older)
    assert status["pid"] == running(newer)["pid"] != pid
    assert not is_alive(pid)
    said = team.directory / "said"
    until(lambda: said.read_text().split()[-1] == str(status["pid"]))
    assert len(set(said.read_text().split())) == 2


def test_an_owner_that_cannot_lead_lets_somebody_else(team: Workers) -> None:
    owner, older, newer = team.several(3, configured("p"))
    pid = running(owner)["pid"]
    newer("setattr(m._life, '_lead', lambda *_, **__: 1 / 0)")
    owner.kill()
    until(lambda: older.role == "owner")
    assert newer.role == "follower"
    assert newer("m.status('p')")["pid"] == pid
    said = team.log.read_text()
    assert "ZeroDivisionError" in said
    team.log.write_text("")


def test_the_file_may_be_wrong_when_another_leads(team: Workers) -> None:
    file = team.directory / "pb_processes.json"
    file.write_text("[]")
    owner, follower = (team.new(configured("p"), file="pb_processes.json") for _ in range(2))
    pid = running(owner)["pid"]
    file.write_text("{")
    owner.kill()
    assert team.owner is follower
    assert running(follower)["pid"] == pid
    assert "pb_processes.json" in team.log.read_text()
    team.log.write_text("")
