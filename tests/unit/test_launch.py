"""From a configuration to one spawn, and what is said when there is none."""
from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from processman.config import ProcessConfig
from processman.engine import Launch
from processman.launch import LaunchError, Prepared, explain, prepare

PATH = os.environ["PATH"]


@pytest.fixture
def cwd(tmp_path: Path) -> Path:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "agent.py").write_text("import sys; print(sys.argv)")
    return tmp_path / "app"


def prepared(
    cwd: Path, /, *, host: Mapping[str, str] = {"PATH": PATH}, templated: bool = True, run: int = 1, **config: Any
) -> Prepared:
    if "command" not in config:
        config.setdefault("script", "agent.py")
    process = ProcessConfig(**{"id": "agent", "cwd": str(cwd)} | config)
    return prepare(process, templated=templated, host=host, port=8090, data_dir="/data", instance="cafe", run=run)


def refused(cwd: Path, /, **config: Any) -> LaunchError:
    with pytest.raises(LaunchError) as caught:
        prepared(cwd, **config)
    return caught.value


def written(path: Path, content: str | bytes, mode: int = 0o755) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(mode)
    return path


def in_venv(cwd: Path, name: str) -> Path:
    python = cwd / name / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    return python


def test_script_is_launched_by_its_interpreter(cwd: Path) -> None:
    python = in_venv(cwd, ".venv")
    made = prepared(cwd, args=["--model", "gpt-4", ""], run=3)
    assert made.launch.argv == (str(python), str(cwd / "agent.py"), "--model", "gpt-4", "")
    assert (made.launch.cwd, made.launch.id, made.launch.run) == (str(cwd), "agent", 3)
    assert made.launch.instance == "cafe"
    assert made.interpreter == str(python)


def test_venv_is_entered(cwd: Path) -> None:
    python = in_venv(cwd, "venv")
    env = prepared(cwd, host={"PATH": "/usr/bin", "VIRTUAL_ENV": "/host", "PYTHONHOME": "/host"}).launch.env
    assert env["VIRTUAL_ENV"] == str(cwd / "venv")
    assert env["PATH"] == os.pathsep.join([str(python.parent), "/usr/bin"])
    assert "PYTHONHOME" not in env


def test_interpreter_on_the_path_is_shown_by_its_name(cwd: Path, tmp_path: Path) -> None:
    tool = written(tmp_path / "bin" / "python3", "#!/bin/sh\n")
    made = prepared(cwd, host={"PATH": str(tmp_path / "bin"), "VIRTUAL_ENV": "/host"})
    assert made.launch.argv[0] == str(tool)
    assert made.interpreter == "python3"
    assert made.launch.env["VIRTUAL_ENV"] == "/host"


def test_command_is_looked_for_on_the_path_of_the_child(cwd: Path, tmp_path: Path) -> None:
    tool = written(tmp_path / "mine" / "tool", "#!/bin/sh\n")
    made = prepared(cwd, command="tool", args=["x"], env={"PATH": f"{tmp_path}/mine:${{PATH}}"})
    assert made.launch.argv == (str(tool), "x")
    assert made.interpreter == ""


def test_command_without_any_path_is_looked_for_where_the_system_looks(cwd: Path) -> None:
    assert Path(prepared(cwd, host={}, command="sh").launch.argv[0]).name == "sh"


@pytest.mark.parametrize("command", ["./run.sh", "bin/run.sh", "{cwd}/run.sh", "../app/run.sh"])
def test_command_with_a_slash_is_seen_from_the_cwd(cwd: Path, command: str) -> None:
    """F-paths"""
    command = command.format(cwd=cwd)
    tool = written(cwd / command, "#!/bin/sh\n")
    assert Path(prepared(cwd, command=command).launch.argv[0]).samefile(tool)


@pytest.mark.parametrize("script", [
    "run.py", "./run.py", "sub/run.py", "../other/run.py", "{cwd}/run.py", "with space.py", "ünïcode-脚本.py",
    "-c.py", "--help.py", "a'b\"c.py", "link/run.py",
])
@pytest.mark.parametrize("start", ["app", "linked", "app/../app"])
def test_right_script_runs_in_the_right_directory(tmp_path: Path, cwd: Path, script: str, start: str) -> None:
    """F-paths"""
    (tmp_path / "linked").symlink_to(cwd)
    (tmp_path / "real").mkdir()
    (cwd / "link").symlink_to(tmp_path / "real")
    script = script.format(cwd=cwd)
    written(cwd / script, "import os; print(os.getcwd(), os.path.samefile(__file__, os.environ['FILE']))")
    made = prepared(tmp_path / start, script=script, env={"FILE": str(cwd / script)}, interpreter=sys.executable)
    launch = made.launch
    done = subprocess.run(launch.argv, cwd=launch.cwd, env=dict(launch.env), capture_output=True, text=True)
    assert done.stdout.split() == [str(cwd.resolve()), "True"], done.stderr


def test_environment_of_the_child(cwd: Path) -> None:
    host = {"PATH": PATH, "HOME": "/h", "WERKZEUG_RUN_MAIN": "true", "PROCESSMAN_TOKEN": "t", "PB_PORT": "1"}
    env = prepared(cwd, host=host, env={"A": "${HOME}/a", "B": "$$x"}, run=7).launch.env
    assert dict(env) == {
        "PATH": PATH, "HOME": "/h", "A": "/h/a", "B": "$x", "PYTHONUNBUFFERED": "1", "PB_PORT": "8090",
        "PB_DATA_DIR": "/data", "PROCESSMAN_ID": "agent", "PROCESSMAN_RUN": "7", "PROCESSMAN_INSTANCE": "cafe",
    }


def test_values_given_in_code_are_taken_as_they_are(cwd: Path) -> None:
    env = {"A": "${GONE}", "B": "$$"}
    made = prepared(cwd, templated=False, env=env)
    assert {name: made.launch.env[name] for name in env} == env


def test_every_unset_variable_is_named(cwd: Path) -> None:
    """F-expand"""
    error = refused(cwd, env={"URL": "${HOST}/${PORT}", "OK": "x", "KEY": "${NO_KEY}"})
    assert error.kind == "invalid"
    assert str(error) == ("cannot expand env 'URL': the variable 'HOST' is not set; "
                          "cannot expand env 'KEY': the variable 'NO_KEY' is not set")


@pytest.mark.parametrize("name", ["PROCESSMAN_TOKEN", "NOTIFY_SOCKET"])
def test_template_cannot_reach_what_is_withheld(cwd: Path, name: str) -> None:
    host = {"PATH": PATH, name: "x"}
    assert f"'{name}' is not set" in str(refused(cwd, host=host, env={"MINE": f"${{{name}}}"}))


@pytest.mark.parametrize(("config", "message"), [
    ({"args": ["ok", "a\0b"]}, "cannot pass argument 2: it holds a NUL character"),
    ({"args": ["\ud800"]}, "cannot pass argument 1: it holds a character that cannot be encoded (a lone"),
    ({"env": {"A": "a\0"}}, "cannot pass env 'A': it holds a NUL character"),
    ({"env": {"A": "${NUL}"}}, "cannot pass env 'A': it holds a NUL character"),
    ({"env": {"A": "\ud800"}}, "cannot pass env 'A': it holds a character that cannot be encoded"),
    ({"script": "a\0.py"}, "cannot pass script: it holds a NUL character"),
    ({"command": "a\0"}, "cannot pass command: it holds a NUL character"),
    ({"interpreter": "a\0"}, "cannot pass interpreter: it holds a NUL character"),
    ({"cwd": "/a\0"}, "cannot pass cwd: it holds a NUL character"),
])
def test_impossible_value_is_named(cwd: Path, config: dict[str, Any], message: str) -> None:
    """R-spawn-args"""
    error = refused(cwd, host={"PATH": PATH, "NUL": "\0"}, **config)
    assert error.kind == "invalid"
    assert str(error).startswith(message)


def test_bytes_of_the_host_that_are_no_text_pass_through(cwd: Path) -> None:
    made = prepared(cwd, host={"PATH": PATH, "ODD": "\udcff"}, args=["\udcff"], env={"MINE": "${ODD}"})
    assert made.launch.env["MINE"] == "\udcff"


HINT = "; the {} is one file, what follows it goes into args"


@pytest.mark.parametrize(("config", "message"), [
    ({"script": "gone.py"}, "cannot find script '{cwd}/gone.py': there is no such file"),
    ({"script": "sub"}, "cannot find script '{cwd}/sub': it is a directory"),
    ({"script": "agent.py/x"}, "cannot find script '{cwd}/agent.py/x': not a directory"),
    ({"script": "broken"}, "cannot find script '{cwd}/broken': it is a link to nowhere"),
    ({"script": "loop"}, "cannot find script '{cwd}/loop': too many levels of symbolic links"),
    ({"script": "x" * 300}, "cannot find script '{cwd}/" + "x" * 300 + "': file name too long"),
    ({"script": "agent.py --x"},
     "cannot find script '{cwd}/agent.py --x': there is no such file" + HINT.format("script")),
    ({"interpreter": "rubby"}, "cannot find interpreter 'rubby': it is not on the PATH"),
    ({"interpreter": "./sub"}, "cannot find interpreter '{cwd}/sub': it is a directory"),
    ({"interpreter": "python3 -u"},
     "cannot find interpreter 'python3 -u': it is not on the PATH" + HINT.format("interpreter")),
    ({"command": "tool"}, "cannot find command 'tool': it is not on the PATH"),
    ({"command": "./gone"}, "cannot find command '{cwd}/gone': there is no such file"),
    ({"command": "./agent.py"}, "cannot find command '{cwd}/agent.py': it may not be executed (no x permission)"),
    ({"command": "./sub"}, "cannot find command '{cwd}/sub': it is a directory"),
    ({"command": "python3 -m celery"},
     "cannot find command 'python3 -m celery': it is not on the PATH" + HINT.format("command")),
    ({"cwd": "{cwd}/gone"}, "cannot enter cwd '{cwd}/gone': there is no such directory"),
    ({"cwd": "{cwd}/agent.py"}, "cannot enter cwd '{cwd}/agent.py': it is not a directory"),
    ({"cwd": "{cwd}/broken"}, "cannot enter cwd '{cwd}/broken': it is a link to nowhere"),
])
def test_missing_thing_is_named(cwd: Path, config: dict[str, Any], message: str) -> None:
    """F-spawn-taxonomy"""
    (cwd / "sub").mkdir()
    (cwd / "broken").symlink_to("nowhere")
    (cwd / "loop").symlink_to("loop")
    if "cwd" in config:
        config = config | {"cwd": config["cwd"].format(cwd=cwd)}
    error = refused(cwd, **config)
    assert error.kind == "missing"
    assert str(error) == message.format(cwd=cwd)


def test_command_with_a_space_in_its_name_is_found(cwd: Path) -> None:
    tool = written(cwd / "my tool", "#!/bin/sh\n")
    assert prepared(cwd, command="./my tool").launch.argv == (str(tool),)


def test_cwd_that_comes_back_is_entered(cwd: Path) -> None:
    """R-cwd-vanishes"""
    config = {"command": "sh"}
    moved = cwd.rename(cwd.with_name("moved"))
    assert "cannot enter cwd" in str(refused(cwd, **config))
    moved.rename(cwd)
    assert prepared(cwd, **config).launch.cwd == str(cwd)


def launch(program: Path | str, cwd: Path, *args: str, env: Mapping[str, str] | None = None) -> Launch:
    return Launch(
        argv=(str(program), *args), cwd=str(cwd), env=env or {}, instance="cafe", id="agent", run=1,
        stop_signal="SIGTERM", stop_timeout=10.0,
    )


def spawn_error(made: Launch) -> Exception:
    with pytest.raises((OSError, ValueError)) as caught:
        subprocess.Popen(made.argv, cwd=made.cwd, env=dict(made.env))
    return caught.value


def explained(made: Launch, redact: Callable[[str], str] = str) -> LaunchError:
    return explain(spawn_error(made), made, redact)


@pytest.mark.parametrize(("content", "why"), [
    ("#!/bin/sh\r\necho hi\r\n", "its #! line ends with CRLF, save it with LF line ends"),
    ("#!/nowhere/ruby -w\n", "its #! line names '/nowhere/ruby': there is no such file"),
    ("#! /nowhere/ruby\n", "its #! line names '/nowhere/ruby': there is no such file"),
    ("#!{cwd}/sub\n", "its #! line names '{cwd}/sub': it is a directory"),
    ("#!{cwd}/agent.py\n", "its #! line names '{cwd}/agent.py': it may not be executed (no x permission)"),
    ("#!\n", "its #! line names nothing"),
    ("echo hi\n", "it has no #! line and is no program"),
    ("", "it is empty"),
    (b"\x7fELF\x01\0\0\0" + b"\0" * 60, "exec format error"),
])
def test_file_that_the_system_does_not_run(cwd: Path, content: str | bytes, why: str) -> None:
    """F-spawn-taxonomy"""
    (cwd / "sub").mkdir()
    if isinstance(content, str):
        content = content.replace("{cwd}", str(cwd))
    run = written(cwd / "run", content)
    error = explained(launch(run, cwd))
    assert error.kind == "missing"
    assert str(error) == f"cannot execute '{run}': {why.format(cwd=cwd)}"


@pytest.mark.parametrize(("spoil", "message"), [
    (lambda run: run.unlink(), "cannot execute '{run}': there is no such file"),
    (lambda run: run.chmod(0o644), "cannot execute '{run}': it may not be executed (no x permission)"),
    (lambda run: (run.unlink(), run.mkdir()), "cannot execute '{run}': it is a directory"),
    (lambda run: run.parent.rename(f"{run.parent}-away"),
     "cannot enter cwd '{run.parent}': there is no such directory"),
], ids=["gone", "no x permission", "directory", "cwd gone"])
def test_what_vanished_after_it_was_found_is_named(
    cwd: Path, spoil: Callable[[Path], object], message: str
) -> None:
    """F-spawn-taxonomy"""
    run = written(cwd / "run", "#!/bin/sh\n")
    made = prepared(cwd, command="./run").launch
    spoil(run)
    error = explained(made)
    assert (error.kind, str(error)) == ("missing", message.format(run=run))


@pytest.mark.parametrize(("args", "env", "longest"), [
    (("x", "y" * 4_000_000), {}, "argv[2], 4000000 bytes"),
    ((), {"BIG": "é" * 2_000_000}, "env 'BIG', 4000000 bytes"),
])
def test_what_is_too_long_is_named(
    cwd: Path, args: tuple[str, ...], env: Mapping[str, str], longest: str
) -> None:
    """R-spawn-args"""
    error = explained(launch("/bin/sh", cwd, *args, env=env))
    assert error.kind == "invalid"
    assert str(error) == ("cannot start '/bin/sh': arguments and environment are too long for the system "
                          f"(longest: {longest})")


@pytest.mark.parametrize(("error", "kind", "message"), [
    (OSError(errno.EMFILE, "Too many open files"), "transient", "cannot start '/p': too many open files (EMFILE)"),
    (OSError(errno.EAGAIN, "Resource temporarily unavailable"), "transient",
     "cannot start '/p': resource temporarily unavailable (EAGAIN)"),
    (OSError(errno.ENOMEM, "Cannot allocate memory"), "transient",
     "cannot start '/p': cannot allocate memory (ENOMEM)"),
    (OSError(errno.ETXTBSY, "Text file busy"), "transient", "cannot start '/p': text file busy (ETXTBSY)"),
    (OSError("odd"), "transient", "cannot start '/p': oserror (no error number)"),
    (RuntimeError("can't start new thread"), "transient",
     "cannot start '/p': can't start new thread"),
    (MemoryError(), "transient", "cannot start '/p': MemoryError"),
    (ValueError("embedded null byte"), "invalid", "cannot start '/p': ValueError: embedded null byte"),
    (TypeError("expected str, not int"), "invalid", "cannot start '/p': TypeError: expected str, not int"),
])
def test_what_the_system_refused(cwd: Path, error: Exception, kind: str, message: str) -> None:
    explanation = explain(error, launch("/p", cwd), str)
    assert (explanation.kind, str(explanation)) == (kind, message)


CANARY = "canary-4711-bird"


@pytest.mark.parametrize("config", [
    {"env": {"API_KEY": CANARY}, "script": f"{CANARY}.py"},
    {"env": {"API_KEY": "${MY_VALUE}"}, "script": f"{CANARY}.py"},
    {"env": {"VALUE": "x${MY_SECRET}x"}, "script": f"{CANARY}.py"},
    {"env": {"VALUE": f"${{NO_SECRET:-{CANARY}}}"}, "script": f"{CANARY}.py"},
    {"env": {"API_KEY": f"${{PATH:-{CANARY}}}"}, "script": f"{CANARY}.py"},
    {"env": {"DATABASE_URL": f"postgres://u:{CANARY}@h/db"}, "script": f"{CANARY}.py"},
    {"env": {"API_KEY": CANARY}, "interpreter": f"./{CANARY}"},
    {"env": {"API_KEY": CANARY}, "cwd": f"/nowhere/{CANARY}"},
    {"env": {"API_KEY": CANARY}, "command": f"run --x {CANARY}"},
    {"cwd": f"/nowhere/token={CANARY}"},
    {"command": f"run --token {CANARY}"},
    {"command": f"curl https://u:{CANARY}@h"},
    {"script": f"agent.py --url https://u:{CANARY}@h"},
])
def test_refusal_shows_no_secret(cwd: Path, config: dict[str, Any]) -> None:
    """A-canary"""
    host = {"PATH": PATH, "MY_VALUE": CANARY, "MY_SECRET": CANARY}
    error = refused(cwd, host=host, **config)
    assert CANARY not in f"{error} {error!r} {error.__cause__} {error.args}"
    assert "****" in str(error)


def test_failed_spawn_shows_no_secret(cwd: Path) -> None:
    """A-canary"""
    made = prepared(cwd, command="sh", env={"API_KEY": CANARY})
    run = written(cwd / f"{CANARY}", f"#!/nowhere/{CANARY}\n")
    message = str(explained(replace(made.launch, argv=(str(run),)), made.redact))
    assert message == f"cannot execute '{cwd}/****': its #! line names '/nowhere/****': there is no such file"


def test_secrets_of_a_run_are_masked_by_its_redactor(cwd: Path) -> None:
    """A-canary"""
    made = prepared(cwd, env={"API_KEY": CANARY, "MODE": "harmless-1"})
    assert made.redact(f"{CANARY} harmless-1") == "**** harmless-1"
    assert CANARY not in repr(made)


def test_secrets_of_a_refused_run_are_masked_by_the_redactor_of_its_error(cwd: Path) -> None:
    """A-canary"""
    for config in ({"script": "gone.py"}, {"env": {"API_KEY": CANARY, "OTHER": "${GONE}"}}):
        error = refused(cwd, **{"env": {"API_KEY": CANARY}} | config)
        assert error.redact(CANARY) == "****"


def test_template_given_in_code_is_no_reference(cwd: Path) -> None:
    host = {"PATH": PATH, "MY_SECRET": CANARY}
    assert prepared(cwd, host=host, templated=False, env={"A": "${MY_SECRET}"}).redact(CANARY) == CANARY


def test_id_of_a_process_is_no_secret(cwd: Path) -> None:
    assert prepared(cwd, id="web-1-blue", env={"AUTH_REALM": "web-1-blue"}).redact("web-1-blue") == "web-1-blue"
