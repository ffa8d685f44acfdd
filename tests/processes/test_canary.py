"""Secrets in every place that may hold one, looked for in everything that anybody is shown."""
from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cli.command import Up
from support import ROOT, until
from werkzeug.test import Client

from processman import Config, ConfigError, Manager, ProcessConfig, ProcessmanError
from processman.launch import prepare
from processman.local import LocalEngine
from processman.wsgi import create_app

#: one for each place, so that a hit tells where it came from
PLACES = (
    "host-variable", "default", "literal", "code", "userinfo", "query", "flag", "pair", "header", "code-argument",
    "token",
)
CANARY = {place: f"c4n4ry.{place}.Vx8-Zq2" for place in PLACES}
HOST = {"HOST_KEY": CANARY["host-variable"]}


def hits(text: str | bytes) -> list[str]:
    """Name the places whose secret stands in *text*."""
    text = text.decode() if isinstance(text, bytes) else text
    return [place for place, secret in CANARY.items() if secret in text]


def leaks(texts: Iterable[str | bytes]) -> list[str]:
    """Return the lines of *texts* that hold a secret."""
    whole = (text.decode() if isinstance(text, bytes) else text for text in texts)
    lines = (line for text in whole for line in text.splitlines())
    return [line[max(0, line.find("c4n4ry") - 500):][:600] for line in lines if hits(line)]


def processes(directory: Path) -> list[dict[str, Any]]:
    """One process for each way to hold a secret or to fail because of one."""
    key = CANARY["host-variable"]
    script = directory / f"{key}.sh"
    script.write_text(f"#!/nowhere/{key}\n")
    script.chmod(0o755)
    env = {
        "API_KEY": "${HOST_KEY}", "TOKEN": "${NOT_SET:-" + CANARY["default"] + "}", "PASSWORD": CANARY["literal"],
        "HOST": "${HOST_KEY}", "DB": f"postgres://me:{CANARY['userinfo']}@db/x", "DEBUG": "1",
        "FEED": f"https://x/?access_token={CANARY['query']}",
    }
    args = ["--api-key", CANARY["flag"], f"--password={CANARY['pair']}", f"https://u:{CANARY['userinfo']}@h/",
            f"Authorization: Bearer {CANARY['header']}", CANARY["host-variable"]]
    common = {"args": args, "cwd": str(directory), "env": env, "backoff": "10ms", "maxRetries": 1}
    return [common | own for own in (
        {"id": "runs", "command": "/bin/sh", "args": ["-c", "echo ready; exec sleep 600", *args]},
        {"id": "waits", "command": "/bin/sh", "args": args[:-1], "autostart": False},  # nothing is resolved yet
        {"id": "crashes", "command": "/bin/sh", "args": ["-c", "exit 3", *args]},
        {"id": "no-script", "script": f"{key}.py"},
        {"id": "no-command", "command": f"./{key}"},
        {"id": "no-cwd", "command": "/bin/sh", "cwd": str(directory / key)},
        {"id": "no-interpreter", "script": script.name, "interpreter": f"/{key}/python"},
        {"id": "no-first-line", "command": f"./{script.name}"},
        {"id": "unset", "command": "/bin/sh", "env": env | {"AUTH": "${NOWHERE}" + CANARY["literal"]}},
        {"id": "impossible", "command": "/bin/sh", "args": [f"{CANARY['host-variable']}\0"]},
        {"id": "too-long", "command": "/bin/sh", "args": [key * 10_000]},
    )]


IN_CODE = ProcessConfig(
    id="code", command="/bin/sh", cwd="/", env={"CODE_SECRET": CANARY["code"]},
    args=["-c", "echo ready; exec sleep 600", "--token", CANARY["code-argument"]],
)


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in HOST.items():
        monkeypatch.setenv(name, value)
    made = tmp_path / "data"
    made.mkdir()
    (made / "pb_processes.json").write_text(json.dumps(processes(made)))
    return made


def settle(manager: Manager) -> None:
    for id in set(manager) - {"waits"}:
        manager.wait_for(id, "running" if id in ("runs", "code") else "failed", timeout=20)


def bodies(manager: Manager) -> Iterator[bytes]:
    """Ask for everything there is."""
    client = Client(create_app(manager, auth=lambda environ: True))
    yield client.get("/list").data
    for id in manager:
        yield from (client.get(f"/{id}{rest}").data for rest in ("", "/logs?lines=1000"))
    for id in manager:
        yield from (client.post(f"/{id}/{action}").data for action in ("start", "restart", "stop"))
    yield client.get("/list").data


def complaints(manager: Manager) -> Iterator[str]:
    """Everything that is raised when it is done by hand."""
    for id in manager:
        for act in (manager.start_process, manager.restart_process):
            try:
                act(id, timeout=20)
            except ProcessmanError as error:
                yield f"{error} {error!r} {error.args!r}"


def recorded(records: list[logging.LogRecord]) -> Iterator[str]:
    """All that records hold, formatted or not."""
    for record in records:
        yield logging.Formatter().format(record)
        yield repr(vars(record))


def test_no_secret_leaves_a_manager(directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A-canary"""
    caplog.set_level(logging.DEBUG)
    shown: list[str | bytes] = []
    with Manager(Config(data_dir=str(directory))) as manager:
        manager.subscribe(lambda event: shown.append(event.status.last_error))
        manager.register(IN_CODE)
        settle(manager)
        answers = list(bodies(manager))
        errors = list(complaints(manager))
        statuses = manager.list()
        shown += [*answers, *errors, *(status.last_error for status in statuses)]
        # paths are shown to the host's own code as they are; what else may hold secrets is not
        shown += [repr(status) for status in statuses if not hits(f"{status.config!r}")]
    shown += recorded(caplog.records)
    assert leaks(shown) == []
    assert len(answers) == 2 + 5 * 12
    assert len(errors) == 2 * 8
    assert sum(b"****" in answer for answer in answers) > 12


def test_no_secret_is_in_what_a_run_is_made_from(directory: Path) -> None:
    """A-canary"""
    made = prepare(
        replace(IN_CODE, env=IN_CODE.env | {"API_KEY": "${HOST_KEY}"}), templated=True,
        host={**os.environ, **HOST}, port=8090, data_dir="/", instance="cafe", run=1,
    )
    assert CANARY["host-variable"] in made.launch.env.values()
    for one in (made, made.launch, made.redact, IN_CODE, vars(Manager(Config(data_dir=str(directory))))):
        assert hits(f"{one!r} {one}") == []


def test_no_secret_is_in_an_error_of_our_own(
    directory: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A-canary"""
    def fail(*args: object) -> None:
        raise RuntimeError(f"cannot spawn with {CANARY['host-variable']} and {CANARY['code']}")

    monkeypatch.setattr(LocalEngine, "spawn", fail)
    with Manager(Config(data_dir=str(directory), config_file=None)) as manager:
        manager.register(replace(IN_CODE, max_retries=0, env=dict(IN_CODE.env) | HOST))
        error = manager.wait_for("code", "failed", timeout=10).last_error
    assert error == "cannot start '/bin/sh': cannot spawn with **** and ****"
    assert hits(caplog.text) == []


#: what breaks a rule, a secret in the place of the value
WRONG = [
    {"id": CANARY["literal"] + "/"}, {"command": [CANARY["literal"]]}, {"args": CANARY["literal"]},
    {"args": [{"x": CANARY["literal"]}]}, {"env": CANARY["literal"]}, {"env": {"TOKEN": [CANARY["literal"]]}},
    {"backoff": CANARY["literal"]}, {"max_retries": CANARY["literal"]}, {"restart": CANARY["literal"]},
    {"stop_signal": CANARY["literal"]}, {"success_exit_codes": [CANARY["literal"]]},
    {"dev_mode": CANARY["literal"]}, {"watch_paths": CANARY["literal"]}, {"autostart": CANARY["literal"]},
    {"cwd": [CANARY["literal"]]},
]  # fmt: skip


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: next(iter(wrong)))
def test_no_secret_is_in_what_is_said_of_a_wrong_configuration(
    directory: Path, caplog: pytest.LogCaptureFixture, wrong: dict[str, Any]
) -> None:
    """A-canary"""
    caplog.set_level(logging.DEBUG)
    good = {"id": "p", "command": "/bin/sh", "cwd": "/"}
    file = directory / "pb_processes.json"
    whole = json.dumps([good | {_camel(name): value for name, value in wrong.items()}])
    for text in (whole, whole[:-2], whole.replace("}", ",}"), f"[{whole}]"):
        file.write_text(text)
        with pytest.raises(ConfigError) as in_file:
            Manager(Config(data_dir=str(directory))).start()
        assert hits(f"{in_file.value} {in_file.value!r} {vars(in_file.value)}") == []
    with pytest.raises(ConfigError) as in_code:
        ProcessConfig(**good | wrong)
    assert hits(f"{in_code.value} {in_code.value!r} {vars(in_code.value)}") == []
    assert hits(caplog.text) == []


def test_no_secret_is_printed_by_any_command(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A-canary"""
    token = directory.parent / "token"
    token.write_text(CANARY["token"] + "\n")
    token.chmod(0o600)
    up = Up(directory)
    (directory / "pb_processes.json").write_text(json.dumps(processes(directory)))

    def run(*arguments: str) -> str:
        line = [sys.executable, "-m", "processman", *arguments, "--dir", str(directory)]
        done = subprocess.run(line, capture_output=True, text=True, cwd=ROOT, timeout=60)
        return done.stdout + done.stderr

    try:
        up.start("--token-file", token)
        until(lambda: up.err.count("has failed") == 9, timeout=20)
        outputs = [run("check"), run("check", "--json"), run("ls"), run("ls", "--json"), run("logs", "-n", "1000")]
        for each in processes(directory):
            outputs += [run("show", each["id"]), run("show", each["id"], "--json"), run("restart", each["id"])]
        outputs += [run("stop", "--all"), run("start", "--all", "--json"), json.dumps(up.state())]
    finally:
        up.end()
    outputs += [up.out, up.err]
    assert leaks(outputs) == []
    assert sum("****" in output for output in outputs) > 20
