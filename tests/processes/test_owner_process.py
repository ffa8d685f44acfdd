"""``owner="process"``: hosts that cannot lead have a process of its own lead for them."""
from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from support import child, until, wait_for_line
from werkzeug.test import Client

from processman import Config, Manager, ProcessNotFound, desk, hosts
from processman.errors import ChangingHands
from processman.wsgi import create_app


@pytest.fixture
def directory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="pm"))  # short: it holds a socket
    monkeypatch.setenv("PROCESSMAN_RUN_DIR", str(path / "run"))
    (path / "data").mkdir()
    yield path
    shutil.rmtree(path)


@pytest.fixture
def managers(directory: Path) -> Iterator[list[Manager]]:
    config = Config(data_dir=directory / "data", engine="keeper", owner="process", linger=0)
    made = [Manager(config), Manager(config)]
    yield made
    for manager in made:
        manager.stop()
    until(lambda: programs(directory) == [], what="the keeper and the owner to end")


def programs(directory: Path) -> list[psutil.Process]:
    """Return the keeper and the process that leads."""
    return [
        process for process in psutil.process_iter(["cmdline"])
        if any(str(directory) in part for part in process.info["cmdline"] or ())
        and process.status() != psutil.STATUS_ZOMBIE
    ]


def owner(directory: Path) -> psutil.Process:
    (found,) = (process for process in programs(directory) if "owner" in process.info["cmdline"])
    return found


def is_running(manager: Manager, id: str) -> bool:
    """Tell whether it runs, while the lead may be changing hands."""
    with suppress(ChangingHands, ProcessNotFound):
        return manager.status(id).status == "running"
    return False


def test_a_process_of_its_own_leads_and_ends_with_the_last_host(managers: list[Manager], directory: Path) -> None:
    """P16"""
    first, second = managers
    for manager in managers:
        manager.register(child("p", "waits.py"))
        manager.start()
    assert [manager.role for manager in managers] == ["follower", "follower"]
    wait_for_line(second, "p", "ready")
    pid = first.status("p").pid
    assert second.status("p").pid == pid
    first.stop()
    assert (first.role, second.status("p").pid) == ("stopped", pid)
    second.restart_process("p", timeout=10)
    assert second.status("p").restart_count == 1
    last = psutil.Process(second.status("p").pid)
    second.stop()
    until(lambda: not last.is_running())


def test_one_that_is_killed_is_followed_by_another_that_adopts(managers: list[Manager], directory: Path) -> None:
    """P16"""
    manager = managers[0]
    manager.register(child("p", "waits.py"))
    manager.start()
    wait_for_line(manager, "p", "ready")
    before = manager.status("p")
    killed = owner(directory)
    os.kill(killed.pid, signal.SIGKILL)
    psutil.wait_procs([killed], timeout=10)
    after = manager.status("p")
    assert (after.pid, after.run, after.restart_count) == (before.pid, before.run, 0)
    assert owner(directory).pid != killed.pid


def test_what_hosts_configure_comes_back_with_a_new_keeper(managers: list[Manager], directory: Path) -> None:
    """F-keeper-dies"""
    for manager in managers:
        manager.start()
    managers[1].register(child("p", "waits.py"))
    pid = managers[0].wait_for("p", "running", timeout=10).pid
    (keeper,) = (each for each in programs(directory) if "owner" not in each.info["cmdline"])
    keeper.kill()
    until(lambda: not psutil.pid_exists(pid or 0))
    until(lambda: is_running(managers[0], "p"), timeout=20)


def test_a_newer_host_has_an_owner_that_fits(managers: list[Manager], directory: Path) -> None:
    """What it is configured for is what processes see, and a deploy may change it."""
    older, newer = managers[0], Manager(dataclasses.replace(managers[0].config, port=9090))
    managers.append(newer)
    for manager in (older, newer):
        manager.register(child("p", "waits.py"))
    older.start()
    first = owner(directory)
    older.wait_for("p", "running", timeout=10)
    newer.start()
    psutil.wait_procs([first], timeout=10)
    assert not first.is_running()
    pid = newer.wait_for("p", "running", timeout=10).pid
    second = owner(directory)
    assert older.status("p").pid == pid
    assert owner(directory) == second


def test_an_owner_of_an_older_version_gives_way(managers: list[Manager], monkeypatch: pytest.MonkeyPatch) -> None:
    """As after an upgrade and a deploy."""
    older, newer = managers
    older.register(child("p", "waits.py"))
    older.start()
    pid = older.wait_for("p", "running", timeout=10).pid
    first = owner(Path(older.config.data_dir).parent)
    with monkeypatch.context() as upgraded:
        upgraded.setattr(desk, "__version__", "99.0")
        newer.start()  # what it begins is of our version again, and can be no other here
    psutil.wait_procs([first], timeout=10)
    assert not first.is_running()
    assert older.status("p").pid == pid


def test_what_the_newest_host_has_not_is_ended(managers: list[Manager], directory: Path) -> None:
    """As with an owner among the hosts: a deploy that takes an entry out of the file."""
    older, newer = managers
    entries = [{"id": id, "command": "sleep", "args": ["600"], "cwd": "."} for id in "pq"]
    file = directory / "data" / "pb_processes.json"
    file.write_text(json.dumps(entries))
    older.start()
    older.register(child("later", "waits.py"))
    pids = {id: older.wait_for(id, "running", timeout=10).pid for id in ("p", "q", "later")}
    file.write_text(json.dumps(entries[:1]))
    newer.start()
    until(lambda: not psutil.pid_exists(pids["q"] or 0))
    assert {status.id: status.pid for status in older.list()} == {"p": pids["p"], "later": pids["later"]}


def test_processes_outlive_hosts_that_something_starts_again(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P15: how long is for the hosts to say, not for who leads for them; nothing starts them when that is over."""
    supervisor = subprocess.Popen(["sleep", "600"])
    monkeypatch.setattr(hosts, "supervisor", lambda: supervisor.pid)
    first, second = (Manager(Config(data_dir=directory / "data", engine="keeper", owner="process")) for _ in "12")
    for manager in (first, second):
        manager.register(child("p", "waits.py"))
    first.start()
    wait_for_line(first, "p", "ready")
    pid = first.status("p").pid
    first.stop()
    second.start()
    assert second.status("p").pid == pid
    second.stop()
    assert psutil.pid_exists(pid)
    supervisor.kill()
    supervisor.wait()
    until(lambda: programs(directory) == [])


def test_the_api_of_a_follower_is_answered_where_secrets_are_known(managers: list[Manager]) -> None:
    """S13"""
    manager = managers[0]
    manager.register(child("p", "waits.py", "correct horse", env={"API_KEY": "correct horse"}))
    manager.start()
    wait_for_line(manager, "p", "ready")
    client = Client(create_app(manager, auth=lambda _: True))
    (shown,) = client.get("/list").json
    assert (shown["status"], shown["config"]["args"]) == ("running", ["****"])
    assert client.get("/p/logs").json[-1]["content"] == "ready"
    assert client.post("/nobody/stop").json == {"data": {}, "message": "Process not found.", "status": 404}
    assert client.get("/list/more/than/that").status_code == 404
    manager.stop()
    assert client.get("/list").status_code == 200
    assert client.post("/p/stop").status_code == 503
