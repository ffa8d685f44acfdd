"""The API before real processes, over real connections."""
from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import child, until, wait_for_line
from wsgi.api import Asker, Serve, refusal

from processman import Config, Manager, ProcessConfig

SECRET = "c4n4ry-V4lue"
RUNNING = refusal(400, "Process is already running.")


@pytest.fixture
def ask(manager: Manager, serve: Serve) -> Iterator[Asker]:
    with serve(manager) as asker:
        yield asker


def test_a_life_over_rest(manager: Manager, ask: Asker) -> None:
    manager.register(child("web", "slow_stop.py", 0.1, autostart=False))
    manager.start()
    assert ask("GET", "/web").json["status"] == "stopped"
    assert ask("POST", "/web/start").json == {"message": "Process start initiated", "id": "web"}
    wait_for_line(manager, "web", "ready")
    first = ask("GET", "/web").json
    assert (first["status"], first["run"], first["restartCount"], first["lastError"]) == ("running", 1, 0, "")
    os.kill(first["pid"], 0)
    assert ask("POST", "/web/start").json == RUNNING
    assert ask("POST", "/web/restart").json == {"message": "Process restart initiated", "id": "web"}
    until(lambda: ask("GET", "/web").json["run"] == 2)
    wait_for_line(manager, "web", "bye")
    until(lambda: [line["content"] for line in ask("GET", "/web/logs").json if line["seq"]].count("ready") == 2)
    second = ask("GET", "/web").json["pid"]
    assert ask("POST", "/web/stop").json == {"message": "Process stopped", "id": "web"}
    for pid in (first["pid"], second):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    last = ask("GET", "/web").json
    assert [last[key] for key in ("status", "pid", "uptime", "exitCode")] == ["stopped", None, None, 0]
    lines = ask("GET", "/web/logs").json
    assert [line["content"] for line in lines] == ["ready", "stopping", "bye"] * 2
    assert [line["seq"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert ask("GET", "/web/logs?lines=2").json == lines[-2:]


def in_state(manager: Manager, state: str, tmp_path: Path) -> None:
    """Bring a process "p" of the started *manager* into *state*, to stay there."""
    ways: dict[str, ProcessConfig] = {
        "stopped": child("p", "waits.py", autostart=False),
        "running": child("p", "waits.py"),
        "stopping": child("p", "ignores_term.py", stop_timeout="500ms"),
        "crashed": child("p", "exits_with.py", 1, backoff="30s"),
        "exited": child("p", "exits_with.py", 0, restart="on-failure"),
        "failed": child("p", "exits_with.py", 1, max_retries=0),
    }
    manager.register(ways[state])
    if state == "stopping":
        wait_for_line(manager, "p", "ready")
        manager.stop_process("p", wait=False)
    manager.wait_for("p", state, timeout=10)


@pytest.mark.parametrize("state", ["stopped", "running", "stopping", "crashed", "exited", "failed"])
@pytest.mark.parametrize(("action", "ends"), [
    ("start", ("running", "crashed", "exited", "failed")),
    ("restart", ("running", "crashed", "exited", "failed")),
    ("stop", ("stopped",)),
])
def test_every_action_in_every_state(
    manager: Manager, ask: Asker, tmp_path: Path, action: str, ends: tuple[str, ...], state: str
) -> None:
    """A-states"""
    manager.start()
    in_state(manager, state, tmp_path)
    runs = manager.status("p").run
    answer = ask("POST", f"/p/{action}")
    if (action, state) == ("start", "running"):
        assert answer.json == RUNNING
    else:
        assert answer.status == 200
    if action != "stop" and answer.status == 200:
        manager.wait_for("p", lambda status: status.run > runs, timeout=10)
    assert manager.wait_for("p", ends, timeout=10).status in ends
    assert ask("POST", "/p/stop").status == ask("POST", "/p/stop").status == 200


def test_the_answer_to_a_stop_comes_when_the_tree_is_gone(manager: Manager, ask: Asker) -> None:
    manager.register(child("p", "stubborn_grandchild.py", stop_timeout="200ms"))
    manager.start()
    wait_for_line(manager, "p", "ready")
    assert ask("POST", "/p/stop").status == 200
    assert (manager.status("p").status, manager.status("p").escaped) == ("stopped", ())


def test_before_the_start_one_may_look_and_not_act(manager: Manager, ask: Asker) -> None:
    manager.register(child("p", "waits.py"))
    assert [process["status"] for process in ask("GET", "/list").json] == ["stopped"]
    assert ask("GET", "/p/logs").json == []
    for action in ("start", "stop", "restart"):
        assert ask("POST", f"/p/{action}").json == refusal(503, "The process manager is not started.")
    assert ask("GET", "/nobody").status == ask("GET", "/nobody/logs").status == 404


def test_logs_can_be_read_while_they_are_written(manager: Manager, ask: Asker) -> None:
    """O-iterate"""
    manager.register(child("p", "floods.py"))
    manager.start()
    until(lambda: len(manager.logs("p", lines=1000)) == 1000)
    for _ in range(25):
        answer = ask("GET", "/p/logs?lines=1000")
        seqs = [line["seq"] for line in answer.json if line["seq"]]
        assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
        assert len(answer.json) == 1000
    manager.stop_process("p")


def _leaky(cwd: Path) -> list[dict[str, Any]]:
    """One process for each way in which something can be shown or go wrong."""
    env = {"API_KEY": "${CANARY_KEY}", "URL": f"postgres://u:{SECRET}@h/db", "DEBUG": "1"}
    args = ["--token", SECRET, f"--db=https://u:{SECRET}@h/", SECRET]
    common = {"args": args, "cwd": str(cwd), "env": env, "maxRetries": 0}
    return [common | own for own in (
        {"id": "runs", "command": "/bin/sh", "args": ["-c", "sleep 600", *args]},
        {"id": "not-started", "command": "/bin/sh", "autostart": False},
        {"id": "no-script", "script": f"{SECRET}.py"},
        {"id": "no-command", "command": f"./{SECRET}"},
        {"id": "no-cwd", "command": "/bin/sh", "cwd": str(cwd / SECRET)},
        {"id": "no-interpreter", "script": "x", "interpreter": f"/{SECRET}/python"},
        {"id": "unset", "command": "/bin/sh", "env": env | {"TOKEN": "${NOT_THERE}"}},
        {"id": "impossible", "command": "/bin/sh", "args": [f"{SECRET}\0"]},
        {"id": "no-line", "command": f"./{SECRET}.sh"},
    )]


def test_no_secret_leaves(
    tmp_path: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A-canary"""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("CANARY_KEY", SECRET)
    (tmp_path / "x").touch()
    (tmp_path / f"{SECRET}.sh").write_text("echo")
    (tmp_path / f"{SECRET}.sh").chmod(0o755)
    (tmp_path / "pb_processes.json").write_text(json.dumps(_leaky(tmp_path)))
    with Manager(Config(data_dir=str(tmp_path))) as manager, serve(manager) as ask:
        paths = ["/list", *(f"/{id}{rest}" for id in manager for rest in ("", "/logs"))]
        for id in set(manager) - {"not-started"}:
            manager.wait_for(id, ("running", "failed"), timeout=10)
        shown = ask("GET", "/list")
        bodies = [shown.body, *(ask("GET", path).body for path in paths)]
        for action in ("start", "restart", "stop"):
            bodies += [ask("POST", f"/{id}/{action}").body for id in manager]
        bodies += [ask("GET", path).body for path in paths]
    assert not [body for body in bodies if SECRET.encode() in body]
    assert SECRET not in caplog.text
    errors = {process["id"]: process["lastError"] for process in shown.json if process["lastError"]}
    assert set(errors) == {process["id"] for process in shown.json} - {"runs", "not-started"}
    assert all("****" in error for id, error in errors.items() if id not in ("unset", "impossible"))
