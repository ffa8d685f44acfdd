"""Hosts whose environments differ find one keeper all the same, and one that nobody can reach is not left."""
from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from processes.host import is_alive
from processes.keepers import Ground, gone
from support import child, require_root, until, wait_for_line

from processman import Config, Manager
from processman.errors import ProcessmanError
from processman.place import Place


@pytest.fixture
def first(ground: Ground) -> Iterator[Manager]:
    """A manager that runs a process which writes down its end."""
    made = Manager(ground.config(config_file=None))
    made.register(child("p", "says_farewell.py", ground.folder / "words", 0.1))
    made.start()
    wait_for_line(made, "p", "ready")
    yield made
    made.stop()


@pytest.fixture
def second(ground: Ground) -> Iterator[Manager]:
    """A manager of another environment, not started yet."""
    made = Manager(Config(data_dir=ground.data, run_dir=ground.folder / "other", engine="keeper", linger=0.0,
                          config_file=None))  # fmt: skip
    made.register(child("p", "says_farewell.py", ground.folder / "words", 0.1))
    yield made
    made.stop()


def test_hosts_with_other_directories_share_one_keeper(first: Manager, second: Manager) -> None:
    pid = first.wait_for("p", "running", 10).pid
    second.start()
    assert (second.role, second.status("p").pid) == ("follower", pid)
    first.stop()
    assert second.wait_for("p", "running", 10).pid == pid
    until(lambda: second.role == "owner")
    assert second.status("p").restart_count == 0


def test_a_keeper_whose_socket_is_gone_is_ended_and_its_hosts_come_along(
    ground: Ground, first: Manager, second: Manager, caplog: pytest.LogCaptureFixture
) -> None:
    pid, (keeper,) = first.wait_for("p", "running", 10).pid, ground.keepers()
    assert pid is not None
    shutil.rmtree(ground.run)
    caplog.set_level(logging.WARNING, "processman")
    second.start()
    assert not is_alive(keeper.pid)
    assert not is_alive(pid)
    assert f"(pid {keeper.pid}) is ended, and what it holds, and a new" in caplog.text
    words = [line.split()[0] for line in (ground.folder / "words").read_text().splitlines()]
    assert words[:2] == ["start", "farewell"]
    until(lambda: {first.role, second.role} == {"owner", "follower"})
    (running,) = psutil.Process(ground.keeper().pid).children()
    assert {each.wait_for("p", "running", 10).pid for each in (first, second)} == {running.pid}


def test_a_keeper_that_others_can_reach_is_left_alone(ground: Ground, first: Manager, second: Manager) -> None:
    pid, (keeper,) = first.wait_for("p", "running", 10).pid, ground.keepers()
    ground.run.chmod(0o711)  # as if it were another file system: nobody is trusted there
    why = rf"\(pid {keeper.pid}\): its socket .* cannot be reached from here; give all hosts the same run_dir"
    with pytest.raises(ProcessmanError, match=why):
        second.start()
    ground.run.chmod(0o700)
    assert first.status("p").pid == pid
    second.start()
    assert second.status("p").pid == pid


def test_a_keeper_that_was_killed_is_not_waited_for(ground: Ground, first: Manager, second: Manager) -> None:
    pid = first.wait_for("p", "running", 10).pid
    assert pid is not None
    ground.keeper().kill()
    gone(pid)
    shutil.rmtree(ground.run, ignore_errors=True)  # the first one may begin another at the same time
    second.start()
    assert second.wait_for("p", "running", 10).pid != pid


@pytest.mark.parametrize("words", ["", "{", "[]", "{}", '{"socket": 1, "instance": 2}', '{"socket": "/nowhere/x"}'])
def test_a_signpost_that_is_damaged_is_passed_over(ground: Ground, words: str) -> None:
    home = ground.data / ".processman"
    home.mkdir(mode=0o700)
    (home / "keeper.json").write_text(words)
    with Manager(ground.config(config_file=None)) as manager:
        assert manager.role == "owner"


def test_without_a_data_directory_there_is_none(ground: Ground) -> None:
    ground.data.rmdir()
    with Manager(ground.config(config_file=None)) as manager:
        assert manager.role == "owner"
    assert not ground.data.exists()
    ground.wait_over()


def test_the_directory_of_another_user_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_root()
    monkeypatch.delenv("PROCESSMAN_RUN_DIR", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", os.fspath(tmp_path))
    config = Config(data_dir=tmp_path)
    assert Place(config).socket.parent == tmp_path / "processman"
    os.chown(tmp_path, 65534, 65534)
    assert Place(config).socket.parent == Path("/run/processman")
    monkeypatch.setenv("XDG_RUNTIME_DIR", os.fspath(tmp_path / "nowhere"))
    assert Place(config).socket.parent == Path("/run/processman")


def test_a_manager_without_a_keeper_is_warned_of(ground: Ground, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "processman")
    with Manager(Config(data_dir=ground.data, config_file=None, engine="local")):
        with Manager(ground.config(config_file=None)):
            pass
        ground.wait_over()
    assert f"process {os.getpid()} runs processes of {ground.data}, too" in caplog.text
    caplog.clear()
    with Manager(ground.config(config_file=None)):
        pass
    ground.wait_over()
    assert "twice" not in caplog.text
