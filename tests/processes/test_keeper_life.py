"""The life of a keeper: how it begins, what ends it, and that it leaves nothing however that was."""
from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from processes.host import begin, finish, is_alive
from processes.keepers import SHELL, Ground, gone, stopped
from support import CHILDREN, ROOT, child, until, wait_for_line

from processman import Config, Manager, ProcessConfig
from processman.errors import ProcessmanError

WHO = b'{"processman": 1, "who": true}\n'
FAREWELL = CHILDREN / "says_farewell.py"


@pytest.fixture
def manager(ground: Ground) -> Iterator[Manager]:
    """A manager that uses the keeper; it is stopped at the end."""
    made = Manager(ground.config())
    yield made
    made.stop()


def host(ground: Ground, *processes: object, linger: float = 0, manner: str = "wait") -> subprocess.Popen[str]:
    """Begin a host of its own that shares *processes*."""
    given = json.dumps(processes, default=str)
    process = begin(ground.folder, "keeps.py", linger, given, manner, start_new_session=True)
    ground.stack.callback(end, process)
    return process


def end(host: subprocess.Popen[str]) -> None:
    """End a host that a test has not, and its copies."""
    if host.stdout is not None and not host.stdout.closed:
        with suppress(ProcessLookupError):
            os.killpg(host.pid, signal.SIGKILL)
        finish(host)


def told(host: subprocess.Popen[str]) -> dict[str, Any]:
    """Return what the host tells once all are ready."""
    assert host.stdout is not None
    line = host.stdout.readline()
    assert line, finish(host)
    return dict(json.loads(line))


def alive(ground: Ground) -> list[int]:
    """Return every process below a host of this ground that lives."""
    mark, found = f"HOST_DIRECTORY={ground.folder}".encode(), []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            marked = mark in (path / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if marked and is_alive(int(path.name)):
            found.append(int(path.name))
    return found


def thread_count(pid: int) -> int:
    """Return how many threads a process has, one that is over but first among them."""
    try:
        return len(list(Path(f"/proc/{pid}/task").iterdir()))
    except OSError:
        return 0


def words(path: Path) -> list[str]:
    """Return what says_farewell.py has written."""
    return [line.split()[0] for line in path.read_text().splitlines()]


# -- the end of the last lease -------------------------------------------------------
@pytest.mark.parametrize("manner", ["kill", "terminate", "group", "_exit", "return"])
def test_however_a_host_ends_all_are_asked_first_and_nothing_is_left(ground: Ground, manner: str) -> None:
    """P4: of those that need a moment, are stuck in a full pipe, ignore it, leave their session or are daemons."""
    needs, stuck = ground.folder / "needs", ground.folder / "stuck"
    process = host(
        ground,
        ("needs", "says_farewell.py", needs, 0.3), ("stuck", "says_farewell.py", stuck, 0, "talks"),
        ("ignores", "ignores_term.py"), ("session", "setsid_child.py"), ("daemon", "daemonises.py", "stay"),
        ("stubborn", "stubborn_grandchild.py"), ("asleep", "stops_itself.py", "plain"),
        ("headless", "first_thread_over.py"), ("floods", "floods.py"), linger=0,
        manner=manner if manner in ("_exit", "return") else "wait",
    )  # fmt: skip
    facts = told(process)
    headless = int(facts["lines"]["headless"][0].split()[1])  # nobody can read its environment
    assert (len(facts["pids"]), thread_count(headless)) == (9, 2)
    if manner == "group":
        os.killpg(process.pid, signal.SIGKILL)
    elif manner in ("kill", "terminate"):
        getattr(process, manner)()
    finish(process)
    until(lambda: not alive(ground) and thread_count(headless) < 2, 20, "all to end")
    assert (words(needs), words(stuck)) == (["start", "farewell"], ["start", "farewell"])


def test_the_last_of_many_leases_counts(ground: Ground) -> None:
    """P7: a host that is killed leaves the processes to the others, and a forked copy holds nothing for it."""
    first = host(ground, ["p", "waits.py"], manner="fork")
    pid, copy = told(first)["pids"]["p"], told(first)["copy"]
    second = host(ground, ["p", "waits.py"])
    facts = told(second)
    assert (facts["role"], facts["pids"]["p"]) == ("follower", pid)
    first.kill()
    first.wait()
    until(lambda: json.loads(ground.say(WHO)) == {"leases": 1, "owner": second.pid, "held": 1})
    assert is_alive(pid)
    second.kill()
    finish(second)
    gone(pid)
    ground.wait_over()
    os.kill(copy, signal.SIGKILL)
    finish(first)


def test_children_outlive_the_last_lease_for_as_long_as_it_said(ground: Ground) -> None:
    """P15"""
    first = ground.lead(linger=600)
    child = first.spawn("child", "sleep", 600)
    first.leave()
    until(lambda: json.loads(ground.say(WHO))["leases"] == 0)
    second = ground.lead(linger=0.2)
    assert (second.lease.keeper, second.grant.children) == (first.lease.keeper, {"child": child.pid})
    second.leave()
    gone(child.pid)
    ground.wait_over()


def test_nothing_lingers_where_nothing_is_held(ground: Ground) -> None:
    """P15"""
    leader = ground.lead(linger=600)
    assert leader.spawn("child", "true").status() == 0
    leader.leave()
    ground.wait_over()


def test_each_is_asked_by_its_own_signal(ground: Ground) -> None:
    """P4"""
    file = ground.folder / "file"
    script = f"trap 'echo asked >{file}; exit' USR2; trap '' TERM; echo ready; while :; do sleep 0.02; done"
    leader = ground.lead()
    child = leader.spawn("child", SHELL, "-c", script, stop_signal="SIGUSR2")
    child.read_until(b"ready")
    leader.leave()
    gone(child.pid)
    assert file.read_text() == "asked\n"


def test_what_even_force_does_not_end_is_left_to_the_next_and_holds_nobody_up(ground: Ground) -> None:
    """P4: what belongs to another user, or is stuck in the kernel, for example; here no signal arrives."""
    helpless = ground.altered(PATIENCE=0.2)
    text = helpless.read_text().replace("(fd, number) if fd >= 0 else os.kill(pid, number)", "(fd, 0)")
    helpless.write_text(text)
    ground.begin(helpless)
    leader = ground.lead()
    child = leader.spawn("child", SHELL, "-c", "sleep 600 & exec sleep 600", stop_timeout=0.1)
    (grandchild,) = until(psutil.Process(child.pid).children)
    leader.leave()
    ground.wait_over()
    gone(child.pid)
    assert is_alive(grandchild.pid)
    grandchild.kill()


# -- the end of the keeper -----------------------------------------------------------
def test_a_keeper_that_is_told_to_end_asks_all_and_starts_nothing_more(ground: Ground, manager: Manager) -> None:
    """P6: a supervisor of services signals everything at once, and nothing may come back."""
    files = [ground.folder / "a", ground.folder / "b"]
    for file in files:
        manager.register(child(file.name, "says_farewell.py", file, 0.1, max_retries=2))
    manager.start()
    for file in files:
        wait_for_line(manager, file.name, "ready")
    keeper = ground.keeper()
    keeper.terminate()
    for file in files:
        failed = manager.wait_for(file.name, "failed", timeout=20)
        assert failed.last_error.endswith("': the keeper was told to end")
    assert [words(file) for file in files] == [["start", "farewell"]] * 2
    with pytest.raises(ProcessmanError, match="it was told to end"):
        Manager(ground.config()).start()
    assert ground.keeper() == keeper
    manager.stop()
    ground.wait_over()


def test_what_a_killed_keeper_held_ends_and_is_started_by_another(ground: Ground, manager: Manager) -> None:
    """H-kill9: the policy decides, the error says why, and what was daemonised is found by its marks."""
    manager.register(child("p", "waits.py"))
    manager.register(child("daemon", "daemonises.py", "stay"))
    manager.start()
    daemon = int(wait_for_line(manager, "daemon", "daemon").content.split()[1])
    wait_for_line(manager, "p", "ready")
    before, keeper = manager.status("p"), ground.keeper()
    keeper.kill()
    after = manager.wait_for("p", lambda status: status.status == "running" and status.run > before.run, timeout=20)
    assert (after.restart_count, after.exit_code, after.signal) == (1, None, None)
    assert after.last_error == "exit status unknown: the keeper is gone, and took it along"
    assert before.pid is not None
    gone(before.pid)
    gone(daemon)
    manager.wait_for("daemon", "running", timeout=20)
    assert (manager.role, ground.keeper() != keeper) == ("owner", True)


def test_what_is_left_when_all_were_killed_is_ended_by_who_starts_next(ground: Ground) -> None:
    """H-kill9: the keeper and its host at once."""
    process = host(ground, ["daemon", "daemonises.py", "stay"], ["session", "setsid_child.py"], linger=60)
    pids = told(process)["pids"]
    with stopped(process.pid):
        ground.keeper().kill()
        process.kill()
    finish(process)
    for pid in pids.values():
        gone(pid)
    assert len(alive(ground)) == 2
    ground.lease()
    assert alive(ground) == []


def test_children_live_as_long_as_the_keeper_whatever_thread_started_it(ground: Ground) -> None:
    """H-thread-ends"""
    process = host(ground, ["p", "waits.py"], manner="thread")
    pid = told(process)["pids"]["p"]
    assert (ground.serves(), is_alive(pid)) == (True, True)
    process.kill()
    finish(process)
    gone(pid)


# -- the beginning ---------------------------------------------------------------------
def test_hosts_that_start_at_once_share_one_keeper_and_one_copy(ground: Ground) -> None:
    """P1"""
    claim = ground.folder / "claim"
    hosts = [host(ground, ["claims", "claims.py", claim]) for _ in range(8)]
    facts = [told(each) for each in hosts]
    assert sorted(each["role"] for each in facts) == ["follower"] * 7 + ["owner"]
    assert len({each["pids"]["claims"] for each in facts}) == 1
    assert len(ground.keepers()) == 1
    for each in hosts:
        each.kill()
        finish(each)
    gone(facts[0]["pids"]["claims"])
    assert not claim.with_suffix(".doubled").exists()


def test_the_socket_of_a_killed_keeper_is_no_obstacle(ground: Ground) -> None:
    """P1"""
    ground.lease()
    ground.keeper().kill()
    ground.stack.close()
    ground.wait_over()
    assert ground.place.socket.exists()
    ground.lease()
    assert ground.serves()


def test_a_host_that_comes_back_while_all_is_being_ended_waits_for_that(ground: Ground) -> None:
    """P15"""
    file = ground.folder / "file"
    first = host(ground, ["p", "says_farewell.py", file, 0.3])
    pid = told(first)["pids"]["p"]
    first.kill()
    finish(first)
    second = host(ground, ["p", "says_farewell.py", file, 0])
    facts = told(second)
    assert not is_alive(pid)
    assert facts["role"] == "owner"
    until(lambda: words(file) == ["start", "farewell", "start"])
    second.kill()
    finish(second)
    gone(facts["pids"]["p"])


def test_a_host_that_comes_while_the_last_one_stops_starts_all_anew(ground: Ground) -> None:
    """P15: what was stopped with a host is not what somebody wanted stopped."""
    file = ground.folder / "file"
    manager = Manager(ground.config())
    manager.register(child("p", "says_farewell.py", file, 0.5))
    manager.start()
    wait_for_line(manager, "p", "ready")
    stopping = threading.Thread(target=manager.stop)
    stopping.start()
    until(lambda: manager.status("p").status == "stopping")
    second = host(ground, ["p", "says_farewell.py", file, 0])
    facts = told(second)
    stopping.join()
    assert facts["role"] == "owner"
    until(lambda: words(file) == ["start", "farewell", "start"])
    second.kill()
    finish(second)
    gone(facts["pids"]["p"])


def test_a_host_that_becomes_itself_anew_has_one_copy(ground: Ground) -> None:
    """P15: os.execv"""
    claim = ground.folder / "claim"
    process = host(ground, ["claims", "claims.py", claim], manner="exec")
    first, second = told(process), told(process)
    assert [first["role"], second["role"]] == ["owner", "owner"]
    assert first["pids"] != second["pids"]
    process.kill()
    finish(process)
    gone(second["pids"]["claims"])
    assert not claim.with_suffix(".doubled").exists()


def test_a_lease_may_be_the_life_of_another_process(ground: Ground) -> None:
    """P4: of a host that only starts us."""
    other = subprocess.Popen(["sleep", "600"])
    leader = ground.lead()
    child = leader.spawn("child", "sleep", 600)
    ground.lease(pid=other.pid).close()
    leader.leave()
    until(lambda: json.loads(ground.say(WHO)) == {"leases": 1, "owner": None, "held": 1})
    assert is_alive(child.pid)
    other.kill()
    gone(child.pid)  # while nobody has reaped it yet
    other.wait()
    with pytest.raises(ProcessmanError, match=f"there is no process {other.pid} that can be watched"):
        ground.lease(pid=other.pid)


def test_a_host_that_was_piped_ends_for_who_reads_it(ground: Ground) -> None:
    """P14: ``cmd 2>&1 | cat`` returns while the keeper lingers on."""
    process = host(ground, ["p", "waits.py"], linger=600, manner="return")
    code, facts, err = finish(process)
    assert (code, err) == (0, "")
    assert is_alive(facts[0]["pids"]["p"])
    ground.lease(linger=0)
    ground.stack.close()
    ground.wait_over()


def test_children_inherit_no_signal_of_the_host_and_its_limit_of_descriptors(ground: Ground) -> None:
    """P11"""
    limit = ["limit", "prints_limit.py"]
    process = host(ground, ["signals", "signal_state.py"], limit, manner="signals")
    lines = told(process)["lines"]
    # what Python ignores itself, at its start: SIGPIPE and SIGXFSZ
    assert lines["signals"] == ["SigBlk 0000000000000000", "SigIgn 0000000001001000", "ready"]
    assert lines["limit"][0] == "100"
    process.kill()
    finish(process)
    until(lambda: not alive(ground))


@pytest.mark.parametrize("executable", ["/usr/bin/uwsgi", "/bin/false", "", None])
def test_it_is_run_by_python_whatever_the_host_is_run_by(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, executable: str | None
) -> None:
    """P9"""
    monkeypatch.setattr(sys, "executable", executable)
    ground.lease()
    monkeypatch.undo()
    assert Path(ground.keeper().exe()).name.startswith("python")


def test_a_package_in_a_zip_file_has_a_keeper(ground: Ground) -> None:
    """P9"""
    packed = ground.folder / "packed.zip"
    with zipfile.ZipFile(packed, "w") as file:
        for path in (ROOT / "processman").rglob("*"):
            if path.suffix in (".py", ".json"):
                file.write(path, path.relative_to(ROOT))
    program = f"""
import sys
sys.path.insert(0, {os.fspath(packed)!r})
from processman import Config
from processman.lease import Lease
from processman.place import Place
lease = Lease(Place(Config(data_dir={os.fspath(ground.data)!r}, run_dir={os.fspath(ground.run)!r})),
              instance="cafecafe", linger=0.0, generation=1.0)
print(lease.wait(20).children, sys.modules["processman"].__file__)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd="/", text=True, capture_output=True)
    assert (done.stderr, done.stdout.split()) == ("", ["{}", f"{packed}/processman/__init__.py"])


@pytest.mark.parametrize("mode", [0o755, 0o770])
def test_a_place_that_is_open_to_others_is_refused(ground: Ground, mode: int) -> None:
    """P14"""
    ground.run.mkdir(mode=0o700)
    ground.run.chmod(mode)
    with pytest.raises(ProcessmanError, match=r"cannot begin a keeper: .*/run: it is open to others"):
        ground.lease()


def test_a_place_that_is_too_long_for_a_socket_is_named(ground: Ground) -> None:
    """P14"""
    manager = Manager(dataclasses.replace(ground.config(), run_dir=str(ground.folder / ("x" * 80))))
    with pytest.raises(ProcessmanError, match=r"too long for a socket \(at most 107 bytes\)$"):
        manager.start()


def test_a_place_that_is_too_long_may_be_set(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """P14"""
    monkeypatch.setenv("PROCESSMAN_RUN_DIR", str(ground.folder / ("x" * 80)))
    manager = Manager(dataclasses.replace(ground.config(), run_dir=None))
    with pytest.raises(ProcessmanError, match=r"too long for a socket \(at most 107 bytes\); set run_dir$"):
        manager.start()


@pytest.mark.parametrize("below", ["", "run", "run/deeper"])
def test_a_place_below_a_file_is_named(ground: Ground, below: str) -> None:
    """P14"""
    path = ground.folder / "file"
    path.touch()
    manager = Manager(dataclasses.replace(ground.config(), run_dir=str(path / below)))
    with pytest.raises(ProcessmanError, match=r"cannot begin a keeper: .*/file.*: (it is n|N)ot a directory"):
        manager.start()


@pytest.mark.parametrize("options", [
    {"script": "/nowhere/script.py"}, {"script": "/x.py", "cwd": "/nowhere"}, {"command": "/etc/passwd"},
    {"command": "/"}, {"command": "false"}, {"command": SHELL, "args": ["-c", "kill -KILL $$"]},
    {"command": "ls", "cwd": "/nowhere"}, {"command": "sleep", "args": ["x" * 3_000_000]},
    {"script": str(FAREWELL), "interpreter": "/nowhere/python"},
])
def test_what_fails_reads_as_without_a_keeper(ground: Ground, options: dict[str, Any]) -> None:
    """P11"""
    config = ProcessConfig(id="p", max_retries=0, **options)
    local = Manager(Config(data_dir=ground.data, engine="local"))
    said = []
    for manager in (local, Manager(ground.config())):
        manager.register(config)
        with manager:
            failed = manager.wait_for("p", "failed", timeout=20)
            said.append((failed.last_error, failed.exit_code, failed.signal, failed.run))
    assert said[0] == said[1]


# -- other versions ----------------------------------------------------------------------
def test_an_older_keeper_is_asked_to_end_and_replaced(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """P15: nobody begins such a one again meanwhile."""
    file = ground.folder / "file"
    ground.begin(ground.altered(PROTOCOL=0))
    monkeypatch.setattr("processman.lease.PROTOCOL", 0)
    old = ground.lead()
    held = old.spawn("child", FAREWELL, file, 0.3)
    held.read_until(b"ready")
    monkeypatch.undo()

    def lead_on() -> None:  # as who led by the older one tries
        assert (held.status(), old.lease.wait()) == (0, None)
        ground.place.connect("older").close()

    rival = threading.Thread(target=lead_on)
    rival.start()
    new = ground.lead(linger=0)
    assert words(file) == ["start", "farewell"]
    assert not is_alive(held.pid)
    rival.join()
    until(lambda: [keeper.pid for keeper in ground.keepers()] == [new.lease.keeper])
    assert new.grant.children == {}


def test_a_newer_keeper_is_left_alone(ground: Ground) -> None:
    """P15"""
    ground.begin(ground.altered(PROTOCOL=2))
    with pytest.raises(ProcessmanError, match=r"cannot use the keeper at .*: this keeper speaks version 2"):
        ground.lease()
    assert len(ground.keepers()) == 1
    ground.say(b'{"end": true}\n')
