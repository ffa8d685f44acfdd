"""Workers that share their processes, when something is wrong: the file, the owner, who asks it."""
from __future__ import annotations

import json
import os
import signal
import socket
from pathlib import Path

import pytest
from processes.workers import Raised, Workers, configured, running
from support import until


def entry(id: str) -> dict[str, object]:
    return {"id": id, "command": "sleep", "args": ["600"], "cwd": "."}


@pytest.fixture
def file(team: Workers) -> Path:
    """The file of all workers, with the processes p and q."""
    path = team.directory / "pb_processes.json"
    path.write_text(json.dumps([entry("p"), entry("q")]))
    return path


def test_a_broken_file_ends_nothing(team: Workers, file: Path) -> None:
    """P7: it may be saved half when a worker is recycled."""
    owner, follower = (team.new(file=file.name) for _ in range(2))
    pids = [running(owner, id)["pid"] for id in "pq"]
    file.write_text(file.read_text()[:-2])
    owner.kill()
    assert team.owner is follower
    assert [running(follower, id)["pid"] for id in "pq"] == pids
    late = team.new(file=file.name)
    assert (late.role, late("m.ids")) == ("follower", ["p", "q"])
    follower.kill()
    assert team.owner is late
    assert [running(late, id)["pid"] for id in "pq"] == pids
    assert team.log.read_text().count("pb_processes.json: it is not JSON at line 1") == 3
    team.log.write_text("")


def test_a_broken_file_starts_nothing_where_nothing_runs(team: Workers, file: Path) -> None:
    file.write_text("[")
    with pytest.raises(AssertionError, match="ended"):
        team.new(file=file.name)
    assert "ConfigError" in team.log.read_text()
    team.log.write_text("")
    assert team.keepers() == []


@pytest.mark.parametrize("role", ["owner", "follower"])
def test_an_id_of_the_file_cannot_be_registered(team: Workers, file: Path, role: str) -> None:
    by_role = {worker.role: worker for worker in (team.new(file=file.name), team.new(file=file.name))}
    pid = running(by_role["owner"])["pid"]
    with pytest.raises(Raised, match=r"DuplicateProcess: cannot register process 'p'"):
        by_role[role]("register(id='p', command='sleep', args=['700'])")
    by_role["owner"].kill()
    assert [running(by_role["follower"], id)["id"] for id in "pq"] == ["p", "q"]
    assert running(by_role["follower"])["pid"] == pid


def test_a_frozen_owner_is_not_waited_for(team: Workers) -> None:
    """P11"""
    owner, follower = team.new(configured("p")), team.new(configured("p"))
    pid = running(owner)["pid"]
    os.kill(owner.pid, signal.SIGSTOP)
    with pytest.raises(Raised, match=r"ChangingHands: cannot ask the owner: it does not answer"):
        follower("m.list()")
    os.kill(owner.pid, signal.SIGCONT)
    assert follower("m.status('p')")["pid"] == pid


GARBAGE = [b"", b"\n", b"garbage\n\n", b"\x80\x04K\x01.", b"\x80\x04]\x94.", b"cos\nabort\n."]


@pytest.mark.parametrize("said", GARBAGE)
def test_nobody_can_disturb_the_owner_with_garbage(team: Workers, said: bytes) -> None:
    """S2"""
    owner, follower = team.new(configured("p")), team.new(configured("p"))
    running(owner)
    (path,) = Path(team.run_dir).glob("*.owner")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        connection.sendall(said)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100) == b""
    assert follower("m.ids") == ["p"]


def test_a_follower_waits_for_any_words(team: Workers) -> None:
    owner, follower = team.new(configured("p")), team.new(configured("p"))
    running(owner)
    assert follower("m.wait_for('p', (word for word in ('failed', 'running')), 10)")["status"] == "running"
    assert follower("m.wait_for(id='p', until=lambda one: one.run == 1, timeout=10)")["status"] == "running"
    with pytest.raises(Raised, match="cannot wait for 'walking'"):
        follower("m.wait_for('p', ['walking'], 10)")


def test_several_functions_are_called_back_where_they_are(team: Workers) -> None:
    team.new()
    follower = team.new()
    assert follower("m.at_owner(call_both, lambda: True, second=lambda: False)") == [True, False]


def test_reading_goes_on_at_the_next_owner(team: Workers) -> None:
    owner, follower = team.new(configured("p")), team.new(configured("p"))
    running(owner)
    follower("kept.update(call=m._life._seat.call, times=[])")
    follower("setattr(m._life._seat, 'call', lambda *a, **k: kept['times'].append(1) or "
             "(kept['call'](*a, **k) if len(kept['times']) % 2 == 0 else changing_hands()))")
    assert follower("[m.status('p').id, m.ids, len(m.logs('p')) >= 0]") == ["p", ["p"], True]
    with pytest.raises(Raised, match="ChangingHands"):
        follower("m.restart_process('p')")
    until(lambda: follower("m.status('p')")["run"] == 1)


def test_what_ends_at_once_is_always_seen(team: Workers) -> None:
    """L-exit-at-once: its end may come together with the news that it has begun."""
    owner = team.new(*({"id": f"p{number}", "command": "false", "max_retries": 3, "backoff": "100ms"}
                       for number in range(20)))
    for number in range(20):
        assert owner(f"m.wait_for('p{number}', 'failed', 30)")["run"] == 4
