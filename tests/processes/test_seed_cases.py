"""The twelve cases of the specification, by their names, and real interpreters of every kind."""
from __future__ import annotations

import http.client
import json
import os
import venv
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from support import CHILDREN, TESTDATA, require, wait_for_line

from processman import Config, Manager, ProcessConfig


def serve(manager: Manager, id: str, **options: Any) -> int:
    """Run a server of testdata under *manager* on a port the system chooses; return the port."""
    manager.register(ProcessConfig(id=id, cwd=str(TESTDATA), env={"PORT": "0"}, **options))
    manager.start()
    line = wait_for_line(manager, id, "listening on 127.0.0.1:")
    return int(line.content.rpartition(":")[2])


def ask(port: int, path: str, body: object = None) -> tuple[int, str, str]:
    """Ask once; return status, content type and text."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET" if body is None else "POST", path, body and json.dumps(body))
        answer = connection.getresponse()
        return answer.status, answer.headers["Content-Type"], answer.read().decode()
    finally:
        connection.close()


def check_simple_script(manager: Manager, **options: Any) -> None:
    """Run the simple script: environment, arguments, both streams, and a clean end."""
    env = {"TEST_VAR": "a value"}
    manager.register(ProcessConfig(id="simple", cwd=str(TESTDATA), args=("one", "two"), env=env, **options))
    manager.start()
    wait_for_line(manager, "simple", "heartbeat 1")
    status = manager.status("simple")
    assert (status.status, status.run, status.restart_count) == ("running", 1, 0)
    lines = {line.content: line.stream for line in manager.logs("simple")}
    assert lines[f"Simple script started, pid {status.pid}"] == "stdout"
    assert lines["this line goes to stderr"] == "stderr"
    assert {"arguments: one two", "TEST_VAR=a value", "PB_PORT=8090"} <= lines.keys()
    manager.stop_process("simple")
    status = manager.status("simple")
    assert (status.status, status.pid, status.exit_code) == ("stopped", None, 0)
    wait_for_line(manager, "simple", "Received SIGTERM, shutting down")


def check_http_server(manager: Manager, greeting: str, **options: Any) -> None:
    """Serve: health, an answer from the process that runs, and the port free again at the end."""
    port = serve(manager, "web", **options)
    status, kind, text = ask(port, "/health")
    assert (status, kind, json.loads(text)) == (200, "application/json", {"status": "ok"})
    assert json.loads(ask(port, "/")[2]) == {"message": greeting, "pid": manager.status("web").pid}
    assert json.loads(ask(port, "/env/PROCESSMAN_ID")[2]) == {"value": "web"}
    assert ask(port, "/nowhere")[0] == 404
    wait_for_line(manager, "web", "/nowhere")
    manager.stop_process("web")
    with pytest.raises(ConnectionRefusedError):
        ask(port, "/health")


def check_llm_mock_server(manager: Manager, **options: Any) -> None:
    """Talk to the mock as an OpenAI client does: models, a completion, the same one streamed, a refusal."""
    port = serve(manager, "llm", **options)
    assert json.loads(ask(port, "/health")[2]) == {"status": "ok"}
    models = json.loads(ask(port, "/v1/models")[2])["data"]
    assert [model["id"] for model in models] == ["mock-gpt", "mock-gpt-mini"]
    asked = {"model": "mock-gpt", "messages": [{"role": "user", "content": "Who are you?"}]}
    whole = json.loads(ask(port, "/v1/chat/completions", asked)[2])
    assert whole["choices"][0]["message"] == {"role": "assistant", "content": "Mock reply to: Who are you?"}
    assert whole["usage"]["total_tokens"] == 9
    _, kind, text = ask(port, "/v1/chat/completions", asked | {"stream": True})
    assert kind == "text/event-stream"
    *events, done = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    deltas = [json.loads(event)["choices"][0]["delta"].get("content", "") for event in events]
    assert ("".join(deltas), done) == ("Mock reply to: Who are you?", "[DONE]")
    assert len(deltas) > 5
    assert ask(port, "/v1/chat/completions", {"model": "x"})[0] == 400


def test_python_simple_script(manager: Manager) -> None:
    check_simple_script(manager, script="simple_script.py")


def test_python_http_server(manager: Manager) -> None:
    check_http_server(manager, "Hello from Python", script="http_server.py")


def test_python_llm_mock_server(manager: Manager) -> None:
    check_llm_mock_server(manager, script="llm_mock_server.py")


def test_node_simple_script(manager: Manager) -> None:
    require("node")
    check_simple_script(manager, script="simple_script.js")


def test_node_http_server(manager: Manager) -> None:
    require("node")
    check_http_server(manager, "Hello from Node", script="http_server.js")


def test_node_llm_mock_server(manager: Manager) -> None:
    require("node")
    check_llm_mock_server(manager, script="llm_mock_server.js")


def test_bun_simple_script(manager: Manager) -> None:
    check_simple_script(manager, script="simple_script.js", interpreter=require("bun"))


def test_bun_http_server(manager: Manager) -> None:
    check_http_server(manager, "Hello from Node", script="http_server.js", interpreter=require("bun"))


def test_multi_process_python_and_node(manager: Manager) -> None:
    require("node")
    scripts = {"py-web": "http_server.py", "js-web": "http_server.js", "js-llm": "llm_mock_server.js"}
    ports = {id: serve(manager, id, script=script) for id, script in scripts.items()}
    manager.register(ProcessConfig(id="py-simple", script="simple_script.py", cwd=str(TESTDATA)))
    wait_for_line(manager, "py-simple", "ready")
    assert [status.id for status in manager.list()] == [*scripts, "py-simple"]
    assert len({status.pid for status in manager.list()}) == 4
    assert all(ask(port, "/health")[0] == 200 for port in ports.values())
    manager.restart_process("js-web")
    wait_for_line(manager, "js-web", "listening on")
    runs = {status.id: status.run for status in manager.list()}
    assert runs == {"py-web": 1, "js-web": 2, "js-llm": 1, "py-simple": 1}
    assert ask(ports["py-web"], "/health")[0] == 200
    manager.stop()
    assert {status.status for status in manager.list()} == {"stopped"}


def test_process_restart_on_crash(manager: Manager) -> None:
    manager.register(ProcessConfig(
        id="crash", script="crash_immediate.py", cwd=str(TESTDATA), max_retries=2, backoff="100ms",
    ))
    manager.start()
    status = manager.wait_for("crash", "failed", timeout=10)
    assert (status.run, status.restart_count) == (3, 2)
    assert (status.exit_code, status.last_error, status.pid) == (1, "exit code 1", None)
    lines = [line for line in manager.logs("crash") if line.stream == "stdout"]
    assert [(line.run, line.content) for line in lines] == [
        (run, f"crash_immediate started, run {run}") for run in (1, 2, 3)
    ]
    first, second = (later.timestamp - line.timestamp for line, later in pairwise(lines))
    assert first >= timedelta(milliseconds=100)
    assert second >= timedelta(milliseconds=200)


def test_process_env_injection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTER", "from outside")
    monkeypatch.delenv("UNSET", raising=False)
    env = {"TEST_VAR": "${OUTER}, ${UNSET:-a default} and $$5"}
    written = [{"id": "simple", "script": "simple_script.py", "cwd": str(TESTDATA), "env": env}]
    (tmp_path / "pb_processes.json").write_text(json.dumps(written))
    with Manager(Config(data_dir=str(tmp_path), port=8123)) as manager:
        wait_for_line(manager, "simple", "ready")
        lines = {line.content for line in manager.logs("simple")}
        expected = {"TEST_VAR=from outside, a default and $5", "PB_PORT=8123", f"PB_DATA_DIR={tmp_path}"}
        assert expected <= lines


def test_process_graceful_shutdown(manager: Manager) -> None:
    for id in ("first", "second"):
        manager.register(ProcessConfig(id=id, script="simple_script.py", cwd=str(TESTDATA)))
    manager.start()
    for id in manager.ids:
        wait_for_line(manager, id, "ready")
    pids = [status.pid for status in manager.list()]
    manager.stop()
    for status, pid in zip(manager.list(), pids, strict=True):
        assert (status.status, status.exit_code, status.last_error) == ("stopped", 0, "")
        assert manager.logs(status.id)[-1].content == "Received SIGTERM, shutting down"
        with pytest.raises(ProcessLookupError):
            os.kill(pid or 0, 0)


@pytest.mark.parametrize("folders", [(".venv",), ("venv",), ("venv", ".venv")])
def test_script_runs_in_the_venv_beside_it(
    manager: Manager, tmp_path: Path, folders: tuple[str, ...]
) -> None:
    for folder in folders:
        venv.create(tmp_path / folder, symlinks=True)
    home = tmp_path / folders[-1]
    for id, script in (("arguments", "prints_arguments.py"), ("environment", "prints_environment.py")):
        manager.register(ProcessConfig(id=id, script=str(CHILDREN / script), cwd=str(tmp_path)))
    manager.start()
    facts = json.loads(wait_for_line(manager, "arguments", "{").content)
    assert (facts["prefix"], facts["executable"]) == (str(home), str(home / "bin" / "python"))
    environment = json.loads(wait_for_line(manager, "environment", "{").content)
    assert environment["VIRTUAL_ENV"] == str(home)
    assert environment["PATH"].split(":")[0] == str(home / "bin")


TYPESCRIPT = """
enum Kind { Agent = "an agent" }
const runtime: string = "bun" in process.versions ? "bun" : "node";
console.log(`ready: ${Kind.Agent} on ${runtime}`);
setInterval((): void => {}, 1000);
"""


def run_typescript(manager: Manager, folder: Path) -> str:
    """Run a script that needs a compiler; return the runtime it found itself in."""
    (folder / "agent.ts").write_text(TYPESCRIPT)
    manager.register(ProcessConfig(id="typed", script="agent.ts", cwd=str(folder)))
    manager.start()
    line = wait_for_line(manager, "typed", "ready: an agent on ", timeout=20)
    manager.stop_process("typed")
    assert manager.status("typed").status == "stopped"
    return line.content.rpartition(" ")[2]


def test_typescript_runs_through_tsx_beside_it(manager: Manager, tmp_path: Path) -> None:
    programs = tmp_path / "node_modules" / ".bin"
    programs.mkdir(parents=True)
    (programs / "tsx").symlink_to(Path(require("tsx")).resolve())
    assert run_typescript(manager, tmp_path) == "node"


def test_typescript_runs_through_bun_on_the_path(manager: Manager, tmp_path: Path) -> None:
    require("bun")
    assert run_typescript(manager, tmp_path) == "bun"
