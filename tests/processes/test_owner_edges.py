"""What followers are beside their methods: their API, forked copies of them, their end, and who is no follower."""
from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from processes.host import is_alive
from processes.workers import Raised, Workers, configured, running, wait_for_ready
from support import child, require_root, until

from processman import Config, Manager
from processman.errors import ProcessmanError
from processman.place import Place

# -- the API -----------------------------------------------------------------------
SECRET = "correct horse battery"


def test_the_api_of_a_follower_says_the_same_to_the_byte(team: Workers) -> None:
    """S13"""
    processes = [
        configured("p", "prints_arguments.py", SECRET, env={"API_KEY": SECRET}),
        configured("q", autostart=False), configured("failed", script="/nonexistent.py"),
    ]
    owner, follower = team.new(*processes), team.new(*processes)
    wait_for_ready(owner)
    owner("m.wait_for('failed', 'failed', 10)")
    for path in ("/list", "/p", "/failed", "/p/logs", "/p/logs?lines=1", "/x", "/p/logs?lines=x", "/p/no", "/"):
        until(lambda path=path: owner(f"request({path!r})") == follower(f"request({path!r})"))
    status, headers, body = follower("request('/list')")
    assert (status, headers["Content-Type"], headers["Cache-Control"]) == (200, "application/json", "no-store")
    assert SECRET not in body
    assert json.loads(body)[0]["config"]["args"] == ["****"]


def test_the_api_of_a_follower_acts(team: Workers) -> None:
    processes = [configured("p"), configured("q", autostart=False)]
    owner, follower = team.new(*processes), team.new(*processes)
    running(owner)
    for path, status, message in (
        ("/q/start", 200, "Process start initiated"), ("/p/start", 400, "Process is already running."),
        ("/p/restart", 200, "Process restart initiated"), ("/p/stop", 200, "Process stopped"),
        ("/x/stop", 404, "Process not found."),
    ):
        answer = follower(f"request({path!r}, 'POST')")
        assert (answer[0], json.loads(answer[2])["message"]) == (status, message)
    assert running(owner, "q")["run"] == 1
    assert owner("m.status('p')")["status"] == "stopped"
    assert "asked for by 'somebody'" in team.log.read_text()


def test_the_api_of_a_follower_lets_in_who_it_knows_itself(team: Workers) -> None:
    """S1"""
    owner, follower = team.new(configured("p")), team.new(configured("p"))
    pid = running(owner)["pid"]
    for auth, status in (("lambda environ: None", 401), ("lambda environ: False", 403), ("None", 403)):
        assert follower(f"request('/p/stop', 'POST', auth={auth})")[0] == status
    assert follower("request('/p', auth=reader)")[0] == 200
    assert follower("request('/p/stop', 'POST', auth=reader)")[0] == 403
    foreign = "headers={'Sec-Fetch-Site': 'cross-site'}"
    assert follower(f"request('/p/stop', 'POST', {foreign})")[0] == 403
    assert owner("m.status('p')")["pid"] == pid


def test_the_api_says_when_to_ask_again_while_the_lead_changes_hands(team: Workers) -> None:
    """P3"""
    owner, follower = team.new(configured("p")), team.new(configured("p"))
    pid = running(owner)["pid"]
    os.kill(follower("m._life._seat._lease.keeper"), signal.SIGSTOP)
    owner.kill()
    follower.ask("request('/list')")
    os.kill(team.keeper, signal.SIGCONT)
    assert follower.answer()[0] in (200, 503)
    until(lambda: follower("request('/p')")[0] == 200)
    assert json.loads(follower("request('/p')")[2])["pid"] == pid
    third = team.new(configured("p"))
    os.kill(follower.pid, signal.SIGSTOP)
    status, headers, body = third("request('/p')")
    assert (status, headers["Retry-After"], json.loads(body)["message"]) == (
        503, "1", "The process manager is changing hands.")
    follower.kill()
    assert team.owner is third
    assert third("request('/p')")[0] == 200


# -- copies ------------------------------------------------------------------------
def test_a_forked_copy_is_detached(team: Workers) -> None:
    """P7 H-fork"""
    owner, follower = team.new(configured("p")), team.new(configured("p"))
    pid = running(owner)["pid"]
    for worker in (owner, follower):
        assert worker("fork(lambda: m.role)")["done"] == "detached"
        for call in (
            "m.list()", "m.status('p')", "m.stop_process('p')", "m.stop()", "'p' in m", "len(m)", "m.remove('p')",
            "m.wait_for('p', 'running')", "m.follow('p')", "m.logs('p')", "register(id='q', command='x')",
            "m.restart_process('p')", "m.subscribe(print)", "m.kill()",
        ):
            assert worker(f"fork(lambda: {call})")["raised"] == "NotOwner", call
        assert worker("fork(lambda: request('/list')[0])")["done"] == 503
    assert [worker.role for worker in (owner, follower)] == ["owner", "follower"]
    assert (running(owner)["pid"], running(owner)["run"]) == (pid, 1)


def test_a_copy_that_starts_is_a_host_of_its_own(team: Workers) -> None:
    """P7"""
    owner, follower = team.new(configured("p")), team.new(configured("p"))
    pid = running(owner)["pid"]
    for worker in (owner, follower):
        told = worker("fork(lambda: (m.start(), m.role, m.status('p').pid, m.stop(), m.role))")["done"]
        assert told == [None, "follower", pid, None, "stopped"]
        told = worker("fork(lambda: (m.start(), m.status('p').pid))")["done"]  # its exit gives the lease back
        assert told == [None, pid]
    assert [worker.role for worker in (owner, follower)] == ["owner", "follower"]
    assert (running(owner)["pid"], running(owner)["run"]) == (pid, 1)
    until(lambda: owner("m._life._seat.others") == 1)


def test_multiprocessing_makes_copies_that_touch_nothing(team: Workers) -> None:
    """P7"""
    owner, follower = team.new(configured("p")), team.new(configured("p"))
    pid = running(owner)["pid"]
    for worker in (owner, follower):
        assert worker("multiprocess()") == ["detached", "NotOwner"]
    assert (running(owner)["pid"], running(owner)["run"]) == (pid, 1)


def test_a_copy_that_lives_on_does_not_hold_up_the_next_owner(team: Workers) -> None:
    """P7"""
    owner, follower = team.new(configured("p")), team.new(configured("p"))
    pid = running(owner)["pid"]
    follower.ask("m.wait_for('p', 'stopped')")
    until(lambda: owner("sum(each.name == 'processman-asked' for each in threading.enumerate())") == 1)
    copy = owner("hold(60)")
    before = time.monotonic()
    owner.kill()
    with pytest.raises(Raised, match="ChangingHands"):
        follower.answer()
    until(lambda: follower.role == "owner")
    assert time.monotonic() - before < 2
    assert running(follower)["pid"] == pid
    assert is_alive(copy)
    os.kill(copy, signal.SIGKILL)


# -- what goes wrong ---------------------------------------------------------------
def test_a_follower_that_vanishes_in_a_wait_leaves_nothing_with_the_owner(team: Workers) -> None:
    """F-lead-changes"""
    owner = team.new(configured("p"))
    wait_for_ready(owner)
    threads = "sorted(each.name for each in threading.enumerate() if each.name != 'processman-asked')"
    asked = "sum(each.name == 'processman-asked' for each in threading.enumerate())"
    descriptors = "len(os.listdir('/proc/self/fd'))"
    before = owner(threads), owner(descriptors)
    for call in ("m.wait_for('p', 'stopped')", "m.wait_for('p', lambda one: False)", "list(m.follow('p'))"):
        follower = team.new(configured("p"))
        follower.ask(call)
        until(lambda: owner(asked) == 1)
        follower.kill()
    until(lambda: owner(asked) == 0)
    follower = team.new(configured("p"))
    follower("[next(m.follow('p', 0)) for _ in range(20)]")
    follower("[m.list() for _ in range(50)]")
    follower("gc.collect()")
    until(lambda: (owner(asked), owner(threads), owner(descriptors)) == (0, *before))


def test_callbacks_run_in_the_owner_only(team: Workers) -> None:
    owner, follower = team.new(configured("p")), team.new(configured("p"))
    running(owner)
    follower("m.restart_process('p')")
    until(lambda: owner("heard")[-1] == ["p", "running"])
    assert [kind for _, kind in owner("heard")].count("running") == 2
    assert follower("heard") == []
    owner.kill()
    assert team.owner is follower
    follower("m.stop_process('p')")
    until(lambda: ["p", "stopped"] in follower("heard"))


NONSENSE = b"", b"garbage\n" * 100, b"\x80\x05]\x94.", pickle.dumps(7), pickle.dumps(("0.0", b""))


@pytest.mark.parametrize("said", NONSENSE)
def test_the_desk_survives_what_is_said_to_it(team: Workers, said: bytes) -> None:
    owner, follower = team.new(configured("p")), team.new(configured("p"))
    running(owner)
    (path,) = Path(team.run_dir).glob("*.owner")
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(path))
        connection.sendall(said)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.makefile("rb").read()
    if b"0.0" in said:
        assert b"ChangingHands" in answer
        assert b"of another version" in answer
    assert follower("m.status('p')")["status"] == "running"
    team.log.write_text("")


def test_a_follower_of_another_version_is_told_so(team: Workers) -> None:
    owner, follower = team.new(configured("p")), team.new(configured("p"))
    running(owner)
    follower("setattr(sys.modules['processman.desk'], '__version__', '0.0')")
    with pytest.raises(Raised, match=r"ChangingHands.*of another version"):
        follower("m.list()")
    owner.kill()
    assert team.owner is follower
    assert follower("m.ids") == ["p"]


def test_the_desk_answers_nobody_of_another_user(team: Workers) -> None:
    """S2"""
    require_root()
    owner = team.new(configured("p"))
    running(owner)
    (path,) = Path(team.run_dir).glob("*.owner")
    path.chmod(0o666)
    Path(team.run_dir).chmod(0o755)
    program = (
        "import os, pickle, socket, sys; os.setuid(65534)\n"
        "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.settimeout(10)\n"
        "try: s.sendall(pickle.dumps(('x', b''))); print(s.recv(100))\n"
        "except (BrokenPipeError, ConnectionResetError): print(b'')"
    )
    assert subprocess.check_output([sys.executable, "-c", program, str(path)], text=True) == "b''\n"
    Path(team.run_dir).chmod(0o700)


def test_nobody_trusts_the_sockets_of_another_user(tmp_path: Path) -> None:
    """S2"""
    require_root()
    run_dir = Path(tempfile.mkdtemp(prefix="pm-", dir="/tmp"))
    config = Config(data_dir=str(tmp_path), config_file=None, engine="keeper", run_dir=str(run_dir))
    path = Place(config).socket
    program = (
        "import os, socket, sys; os.setuid(65534); s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1])\n"
        "s.listen(); print('ready', flush=True); s.accept()[0].recv(100)"
    )
    run_dir.chmod(0o777)
    with subprocess.Popen([sys.executable, "-c", program, str(path)], text=True, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        with pytest.raises(ProcessmanError, match="it belongs to somebody else"):
            Manager(config).start()
        other.kill()
    shutil.rmtree(run_dir)


def test_who_waits_is_answered_when_the_owner_leaves(team: Workers) -> None:
    owner, follower = team.new(configured("p", "slow_stop.py", 60)), team.new(configured("p", "slow_stop.py", 60))
    wait_for_ready(owner)
    owner("m.stop_process('p', wait=False)")
    for name, call in (("local_stop", "m.stop_process('p')"), ("local_wait", "m.wait_for('p', 'failed')")):
        owner(f"spawn(lambda: {call}, {name!r})")
        follower(f"spawn(lambda: {call}, {name!r})")
    until(lambda: owner("sum(each.name == 'processman-asked' for each in threading.enumerate())") == 2)
    owner("m.stop()")
    for worker, kind in ((owner, "Overruled"), (follower, "ChangingHands")):
        for name in ("local_stop", "local_wait"):
            until(lambda worker=worker, name=name: worker(f"{name!r} in kept"))
            assert worker(f"kept[{name!r}]['raised']") == kind
    assert team.owner is follower
    assert follower("m.status('p')")["status"] == "stopping"
    follower("m.stop_process('p', wait=False)")
    os.kill(follower("m.status('p').pid"), signal.SIGKILL)
    follower("m.wait_for('p', 'stopped', 10)")


def test_managers_of_one_process_share_too(tmp_path: Path) -> None:
    """P1"""
    run_dir = tempfile.mkdtemp(prefix="pm-", dir="/tmp")
    config = Config(data_dir=str(tmp_path), config_file=None, engine="keeper", run_dir=run_dir)
    for order in ((0, 1, 2), (2, 1, 0), (1, 0, 2)):
        managers = [Manager(config) for _ in range(3)]
        for manager in managers:
            manager.register(child("p", "waits.py"))
            manager.start()
        assert [manager.role for manager in managers] == ["owner", "follower", "follower"]
        pid = managers[0].wait_for("p", "running", timeout=10).pid
        for index in order[:2]:
            managers[index].stop()
            assert managers[order[2]].wait_for("p", "running", timeout=10).pid == pid
        until(lambda last=managers[order[2]]: last.role == "owner")
        managers[order[2]].stop()
        assert pid is not None
        assert not is_alive(pid)
        until(lambda: not list(Path(run_dir).glob("*.sock")))
    until(lambda: {path.suffix for path in Path(run_dir).glob("[!.]*")} <= {".lock", ".log"})
    shutil.rmtree(run_dir)
