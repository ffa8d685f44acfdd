"""What becomes of processes when something happens to PocketBase, to the manager, to the hook."""
from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import zipfile

import pytest
from pocketbase_project import SLACK, Project
from support import until


def begin(project: Project, *options: str, **more: object) -> tuple[subprocess.Popen[bytes], int]:
    """Start PocketBase with one quiet child; return it, and the pid of the child."""
    project.write(project.child("web", 0.1, **more))
    server = project.start(*options)
    until(lambda: project.starts("web"))
    return server, project.starts("web")[0]


def asked_and_gone(project: Project, pid: int) -> bool:
    return project.life("web") == [("start", pid), ("farewell", pid)] and not project.survivors()


def answers(project: Project, token: str, pid: int) -> bool:
    """Whether the API answers again, for the same child."""
    return project.status("web", token).get("pid") == pid


def untouched(project: Project, pid: int) -> bool:
    return project.starts("web") == [pid] == project.copies("web") and project.life("web") == [("start", pid)]


# -- PocketBase ends -----------------------------------------------------------------
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_pocketbase_ends_all_before_it(number: int, project: Project) -> None:
    server, pid = begin(project)
    server.send_signal(number)
    assert server.wait(20) == 0
    assert project.life("web") == [("start", pid), ("farewell", pid)]
    assert not project.copies("web")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_a_pocketbase_that_is_killed_leaves_nothing(number: int, project: Project) -> None:
    server, pid = begin(project, stopTimeout="2s")
    server.send_signal(number)
    server.wait(20)
    until(lambda: asked_and_gone(project, pid), 2 + 5 + SLACK)


def test_what_does_not_end_is_killed_after_pocketbase(project: Project) -> None:
    project.write(project.script("stubborn", "ignores_term.py", stopTimeout="1s"))
    server = project.start()
    until(lambda: project.alive("ignores_term.py"))
    server.kill()
    server.wait(20)
    until(lambda: not project.survivors(), 1 + 5 + SLACK)


def test_a_second_signal_ends_pocketbase_and_the_keeper_the_rest(project: Project) -> None:
    project.write(project.child("web", 3.0))
    server = project.start()
    pid = until(lambda: project.starts("web"))[0]
    server.terminate()
    until(lambda: "stopping" in project.processman("ls", "--dir", "pb_data").stdout)
    server.terminate()
    server.wait(20)
    until(lambda: asked_and_gone(project, pid), 10 + 5 + SLACK)


def test_killed_and_started_again_at_once_there_is_one_copy(project: Project) -> None:
    server, first = begin(project)
    server.kill()
    server.wait(20)
    again = project.start()
    second = until(lambda: project.starts("web")[1:])[0]
    assert project.life("web") == [("start", first), ("farewell", first), ("start", second)]
    assert project.state()["host"] == again.pid


# -- the manager ends ------------------------------------------------------------------
def test_a_killed_manager_loses_no_child(project: Project) -> None:
    _, pid = begin(project)
    token = project.superuser()
    manager = project.manager
    os.kill(manager, signal.SIGKILL)
    assert project.ask("GET", "/api/pm/list", token).status == 200  # the next call revives it, and waits for it
    assert project.manager != manager
    assert untouched(project, pid)
    assert answers(project, token, pid)


def test_a_manager_that_is_told_to_end_hands_its_children_on(project: Project) -> None:
    _, pid = begin(project)
    token = project.superuser()
    manager = project.manager
    os.kill(manager, signal.SIGTERM)
    until(lambda: manager not in project.alive())
    assert answers(project, token, pid)
    assert untouched(project, pid)


def test_many_calls_revive_one_manager(project: Project) -> None:
    _, pid = begin(project)
    token = project.superuser()
    for _ in range(3):
        os.kill(project.manager, signal.SIGKILL)
        callers = [subprocess.Popen(["curl", "-s", "-H", f"Authorization: {token}",
                                     f"http://127.0.0.1:{project.port}/api/pm/web"], stdout=subprocess.PIPE)
                   for _ in range(8)]
        assert all(f'"pid":{pid}'.encode() in caller.communicate(timeout=30)[0] for caller in callers)
    assert untouched(project, pid)
    until(lambda: len(project.alive("pocketbase serve --pid")) == 1)


def test_a_manager_and_pocketbase_killed_together_leave_nothing(project: Project) -> None:
    server, pid = begin(project, stopTimeout="2s")
    os.kill(project.manager, signal.SIGKILL)
    server.kill()
    server.wait(20)
    until(lambda: asked_and_gone(project, pid), 2 + 5 + SLACK)


def test_what_is_left_when_all_are_killed_is_ended_by_the_next(project: Project) -> None:
    both = "setsid sleep 601 & exec sleep 602"
    project.write({"id": "web", "cwd": ".", "command": "/bin/sh", "args": ["-c", both]})
    server = project.start()
    until(lambda: project.alive("sleep 602"))
    left = until(lambda: [pid for pid in project.alive("sleep 601") if pid not in project.alive("sleep 602")])
    manager, keeper = project.manager, project.alive("keeper.py")[0]
    for pid in (server.pid, manager, keeper):
        os.kill(pid, signal.SIGSTOP)  # so that none sees another end
    for pid in (keeper, manager, server.pid):
        os.kill(pid, signal.SIGKILL)
    server.wait(20)
    until(lambda: project.survivors() == left)
    project.start()
    until(lambda: project.alive("sleep 602"))
    assert left[0] not in project.alive()


def test_a_killed_keeper_is_replaced_and_its_children_started_again(project: Project) -> None:
    _, first = begin(project)
    token = project.superuser()
    os.kill(project.alive("keeper.py")[0], signal.SIGKILL)
    second = until(lambda: project.starts("web")[1:])[0]
    until(lambda: answers(project, token, second))
    assert project.copies("web") == [second] != [first]


def test_pocketbase_ends_beside_a_frozen_manager(project: Project) -> None:
    server, pid = begin(project, stopTimeout="2s")
    os.kill(project.manager, signal.SIGSTOP)
    begun = time.monotonic()
    server.terminate()
    assert server.wait(30) == 0
    assert time.monotonic() - begun < 20, "the hook has waited without a bound"
    until(lambda: asked_and_gone(project, pid), 2 + 5 + SLACK)


@pytest.mark.parametrize("frozen", [True, False])
def test_pocketbase_kills_nobody_but_a_manager_that_does_not_answer(frozen: bool, project: Project) -> None:
    server, pid = begin(project, stopTimeout="2s")
    manager, state = project.manager, project.state()
    wrong = {} if frozen else {"tokenFile": "/nowhere"}  # without a token nobody can be asked
    with subprocess.Popen(["sleep", "600"]) as stranger:
        try:
            if frozen:
                os.kill(manager, signal.SIGSTOP)
            state |= wrong | {"pid": stranger.pid}
            (project.data / ".processman" / "state.json").write_text(json.dumps(state))
            server.terminate()
            assert server.wait(30) == 0
            assert stranger.poll() is None
        finally:
            stranger.kill()
            os.kill(manager, signal.SIGCONT)
    until(lambda: asked_and_gone(project, pid), 2 + 5 + SLACK)


def test_pocketbase_killed_beside_a_frozen_manager_leaves_no_child(project: Project) -> None:
    server, pid = begin(project, stopTimeout="2s")
    manager = project.manager
    os.kill(manager, signal.SIGSTOP)
    server.kill()
    server.wait(20)
    until(lambda: project.life("web") == [("start", pid), ("farewell", pid)], 2 + 5 + SLACK)
    until(lambda: not project.copies("web"))
    os.kill(manager, signal.SIGCONT)
    until(lambda: not project.survivors())


# -- PocketBase goes on ------------------------------------------------------------------
def test_an_edited_hook_changes_nothing(project: Project) -> None:
    server, pid = begin(project)
    token, manager = project.superuser(), project.manager
    for number in range(3):
        (project.hook.parent / "other.pb.js").write_text(f'routerAdd("GET", "/n", (e) => e.json(200, {number}))')
        until(lambda number=number: project.ask("GET", "/n").text.strip() == str(number))
    assert answers(project, token, pid)
    assert (project.manager, server.poll()) == (manager, None)
    assert untouched(project, pid)


def test_installed_otherwise_another_manager_goes_on_with_the_children(project: Project) -> None:
    _, pid = begin(project)
    token, manager = project.superuser(), project.manager
    project.install("--bridge", "none")
    until(lambda: project.state().get("settings", [None] * 4)[3] == "none", 20)
    until(lambda: answers(project, token, pid))
    assert project.manager != manager
    assert untouched(project, pid)


def test_a_backup_is_made_and_restored(project: Project) -> None:
    _, pid = begin(project)
    token, manager = project.superuser(), project.manager
    assert project.ask("POST", "/api/backups", token, {"name": "one.zip"}).status == 204
    with zipfile.ZipFile(project.data / "backups" / "one.zip") as backup:
        assert "pb_processes.json" in backup.namelist()
        assert not [name for name in backup.namelist() if ".processman" in name]
    banners = project.log.count("Server started")
    assert project.ask("POST", "/api/backups/one.zip/restore", token).status == 204
    until(lambda: project.log.count("Server started") > banners, 20)
    until(lambda: answers(project, token, pid), 20)
    assert project.manager == manager
    assert untouched(project, pid)


def test_a_second_pocketbase_on_the_same_directory_shares_the_manager(project: Project) -> None:
    first, pid = begin(project)
    token = project.superuser()
    port = project.port
    second = project.serve()
    until(lambda: project.status("web", token).get("pid") == pid, 20)
    second.terminate()
    assert second.wait(20) == 0
    project.port = port
    assert answers(project, token, pid)
    assert untouched(project, pid)
    assert first.poll() is None


def test_the_second_takes_over_when_the_first_ends(project: Project) -> None:
    first, pid = begin(project)
    token = project.superuser()
    second = project.serve()
    until(lambda: project.status("web", token).get("pid") == pid, 20)
    until(lambda: len(project.alive("pocketbase serve --pid")) == 2)
    first.kill()
    first.wait()
    until(lambda: project.state().get("host") == second.pid, 20)
    pids = project.starts("web")
    until(lambda: project.status("web", token).get("pid") == project.starts("web")[-1])
    assert len(project.copies("web")) == 1
    assert len(pids) <= 2


def test_a_port_in_use_starts_nothing(project: Project) -> None:
    server, pid = begin(project)
    second = project.serve(port=project.port)
    assert second.wait(20) == 1
    assert untouched(project, pid)
    assert server.poll() is None


def test_commands_start_nothing(project: Project) -> None:
    project.write(project.child("web"))
    project.command("superuser", "upsert", "a@example.com", "1234567890")
    project.command("migrate", "history-sync")
    assert not project.survivors()
    assert not project.starts("web")


def test_commands_beside_a_server_leave_its_processes_alone(project: Project) -> None:
    _, pid = begin(project)
    project.superuser()
    assert untouched(project, pid)


def test_a_port_that_pocketbase_chose_is_found(project: Project) -> None:
    project.write(project.script("web", "prints_environment.py"))
    project.start(port=0)
    project.port = int(project.state()["url"].rpartition(":")[2])
    token = project.superuser()
    text = until(lambda: "PB_PORT" in (text := project.ask("GET", "/api/pm/web/logs", token).text) and text)
    assert f'\\"PB_PORT\\": \\"{project.port}\\"' in text


# -- what is wrong ----------------------------------------------------------------------
def test_a_broken_file_is_told_and_read_again(project: Project) -> None:
    (project.data / "pb_processes.json").write_text('[{"id": "web"}]')
    project.serve()
    until(lambda: project.state().get("error"), 20)
    token = project.superuser()
    answer = project.ask("GET", "/api/pm/list", token)
    assert answer.status == 503
    assert "cwd" in answer.json["message"]
    project.write(project.child("web"))
    until(lambda: project.ask("GET", "/api/pm/list", token).status == 200, 20)


def test_a_python_that_is_gone_is_told(project: Project) -> None:
    text = project.hook.read_text()
    python = text.split('"python": "')[1].split('"')[0]
    project.hook.write_text(text.replace(python, "/nowhere/python3"))
    project.serve()
    until(lambda: project.ask("GET", "/api/health").status == 200)
    assert "processman cannot start /nowhere/python3" in project.log
    token = project.superuser()
    answer = project.ask("GET", "/api/pm/list", token)
    assert (answer.status, answer.json["message"]) == (503, "The process manager is not running.")


@pytest.mark.soak
def test_a_killed_manager_is_replaced_within_a_minute_though_nobody_asks(project: Project) -> None:
    _, pid = begin(project)
    manager = project.manager
    os.kill(manager, signal.SIGKILL)
    until(lambda: project.state().get("pid", manager) != manager, 60 + SLACK)
    assert untouched(project, pid)


@pytest.mark.soak
def test_a_frozen_manager_is_replaced_within_two_minutes(project: Project) -> None:
    _, pid = begin(project)
    manager = project.manager
    os.kill(manager, signal.SIGSTOP)
    until(lambda: project.state().get("pid", manager) != manager, 120 + SLACK)
    assert untouched(project, pid)
