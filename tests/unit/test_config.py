"""Config and ProcessConfig: what they take, what they refuse, and the schema that says so."""
from __future__ import annotations

import copy
import dataclasses
import json
import pickle
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import processman
from processman import Config, ConfigError, ProcessConfig, duration
from processman.config import KEYS, NAMES
from processman.problems import find, pointer_to

SCHEMA = json.loads(Path(processman.__file__).with_name("schema").joinpath("pb_processes.schema.json").read_text())
PROCESS = SCHEMA["$defs"]["process"]
LATER = {key for key, rule in PROCESS["properties"].items() if rule == {"$ref": "#/$defs/later"}}
SECRET = "hunter2"


def process(**given: Any) -> ProcessConfig:
    return ProcessConfig(**{"id": "a", "script": "a.py"} | given)


def test_defaults() -> None:
    made = process()
    assert {name: getattr(made, name) for name in KEYS} == {
        "id": "a", "script": "a.py", "command": None, "args": (), "cwd": ".", "env": {}, "interpreter": "auto",
        "max_retries": 10, "backoff": 1.0, "dev_mode": None, "watch_paths": (), "watch_ignore": (),
        "restart": "always", "success_exit_codes": (0,), "stop_signal": "SIGTERM", "stop_timeout": 10.0,
        "autostart": True, "bridge_logs": None,
    }


def test_names_in_json_are_camel_case() -> None:
    assert KEYS["id"] == "id"
    assert KEYS["success_exit_codes"] == "successExitCodes"
    assert {NAMES[key]: key for key in NAMES} == KEYS


def test_sequences_become_tuples_and_mappings_read_only_copies() -> None:
    args, env = ["-v"], {"A": "1"}
    made = process(args=args, env=env, watch_paths=["src"], success_exit_codes=[0, 3])
    args.append("later")
    env["B"] = "later"
    assert (made.args, made.watch_paths, made.success_exit_codes) == (("-v",), ("src",), (0, 3))
    assert made.env == {"A": "1"}
    with pytest.raises(TypeError):
        made.env["A"] = "2"  # type: ignore[index]
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.cwd = "/"  # type: ignore[misc]


@pytest.mark.parametrize("value", ["1m", 60, 60.0, timedelta(minutes=1)])
def test_durations_become_seconds(value: Any) -> None:
    made = process(backoff=value, stop_timeout=value)
    assert (made.backoff, made.stop_timeout) == (60.0, 60.0)


def test_paths_may_be_paths(tmp_path: Path) -> None:
    made = process(script=Path("a.py"), cwd=tmp_path, args=["--out", tmp_path], watch_paths=[Path("src")])
    assert made == process(cwd=str(tmp_path), args=["--out", str(tmp_path)], watch_paths=("src",))
    assert Config(data_dir=tmp_path, config_file=Path("x.json")) == Config(
        data_dir=str(tmp_path), config_file="x.json")


def test_a_copy_can_be_changed_pickled_and_copied_and_is_not_hashed() -> None:
    made = process(env={"A": "1"}, backoff="1.5s")
    assert dataclasses.replace(made, cwd="/srv").cwd == "/srv"
    assert dataclasses.replace(made, cwd="/srv").backoff == 1.5
    assert pickle.loads(pickle.dumps(made)) == copy.copy(made) == copy.deepcopy(made) == made
    with pytest.raises(TypeError):
        hash(made)
    with pytest.raises(ConfigError):
        dataclasses.replace(made, cwd="")


def test_what_may_be_secret_is_not_shown() -> None:
    """S12"""
    assert SECRET not in repr(process(env={"A": SECRET}, args=["--token", SECRET]))


@pytest.mark.parametrize("id", ["a", "A", "0", "a.b", "a_b", "a-b", "9" * 64, "List", "a..", "con"])
def test_ids(id: str) -> None:
    """F-ids"""
    assert process(id=id).id == id


@pytest.mark.parametrize("id", [
    "", ".", "..", "-rf", "_a", ".a", "a/b", "a\\b", "a b", "a\n", "\na", "a\0", "ä", "é", "a\u0301", "٣",
    "\U0001f40d", "a:b", "a%2F", "x" * 65, "x" * 10_000, "list", "logs", "events", "health", "metrics", "static",
    None, 1, True, b"a", ["a"], ("a",),
])
def test_what_is_no_id_is_refused_with_the_rule(id: Any) -> None:
    """F-ids"""
    with pytest.raises(ConfigError, match=r"^cannot configure a process: id: must (be|not)") as caught:
        process(id=id)
    assert caught.value.pointer == "id"
    assert caught.value.path is None
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(("given", "words"), [
    ({"script": None}, "needs exactly one of script and command"),
    ({"command": "x"}, "needs exactly one of script and command"),
    ({"script": ""}, "script: must be a string that is not empty"),
    ({"script": 1}, "script: must be a string that is not empty"),
    ({"script": None, "command": "x", "interpreter": SECRET}, "interpreter: is for script only"),
    ({"args": SECRET}, "args: must be an array of strings"),
    ({"args": None}, "args: must be an array of strings"),
    ({"args": {SECRET}}, "args: must be an array of strings"),
    ({"args": ["a", 1]}, "args/1: must be a string"),
    ({"args": [["a"]]}, "args/0: must be a string"),
    ({"args": [SECRET.encode()]}, "args/0: must be a string"),
    ({"cwd": ""}, "cwd: must be a string that is not empty"),
    ({"cwd": None}, "cwd: must be a string that is not empty"),
    ({"env": None}, "env: must be an object of strings"),
    ({"env": [("A", SECRET)]}, "env: must be an object of strings"),
    ({"env": {1: "x"}}, "env: must be an object of strings"),
    ({"env": {"A": None}}, "env/A: must be a string"),
    ({"env": {"A": 1}}, "env/A: must be a string"),
    ({"interpreter": None}, "interpreter: must be a string that is not empty"),
    ({"max_retries": -2}, "max_retries: must be an integer, -1 or more"),
    ({"max_retries": 3.0}, "max_retries: must be an integer, -1 or more"),
    ({"max_retries": True}, "max_retries: must be an integer, -1 or more"),
    ({"max_retries": SECRET}, "max_retries: must be an integer, -1 or more"),
    ({"backoff": 0}, f"backoff: {duration.RULE}"),
    ({"backoff": SECRET}, f"backoff: {duration.RULE}"),
    ({"backoff": "1s\n"}, f"backoff: {duration.RULE}"),
    ({"backoff": float("nan")}, f"backoff: {duration.RULE}"),
    ({"backoff": None}, f"backoff: {duration.RULE}"),
    ({"stop_timeout": timedelta(days=2)}, f"stop_timeout: {duration.RULE}"),
    ({"stop_timeout": True}, f"stop_timeout: {duration.RULE}"),
    ({"dev_mode": 1}, "dev_mode: must be true or false"),
    ({"autostart": None}, "autostart: must be true or false"),
    ({"autostart": 1}, "autostart: must be true or false"),
    ({"watch_paths": "src"}, "watch_paths: must be an array of strings"),
    ({"watch_paths": [""]}, "watch_paths/0: must be a string that is not empty"),
    ({"watch_ignore": [1]}, "watch_ignore/0: must be a string that is not empty"),
    ({"restart": "on_failure"}, "restart: must be always, on-failure or never"),
    ({"restart": None}, "restart: must be always, on-failure or never"),
    ({"success_exit_codes": 0}, "success_exit_codes: must be an array of exit codes"),
    ({"success_exit_codes": [-1]}, "success_exit_codes/0: must be an exit code: an integer, 0 or more"),
    ({"success_exit_codes": [True]}, "success_exit_codes/0: must be an exit code: an integer, 0 or more"),
])
def test_a_wrong_process_cannot_be_made(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        process(**given)
    assert str(caught.value) == f"cannot configure process 'a': {words}"
    assert SECRET not in str(caught.value)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("signal", ["TERM", "sigterm", "SIGTERM\n", "SIG_IGN", "SIGHUNTER", "15", "", 15, None])
def test_stop_signal_is_a_name_of_this_system(signal: Any) -> None:
    with pytest.raises(ConfigError, match="stop_signal: must be the name of a signal of this system"):
        process(stop_signal=signal)


@pytest.mark.parametrize("signal", ["SIGTERM", "SIGINT", "SIGKILL"])
def test_stop_signal(signal: str) -> None:
    if sys.platform == "win32" and signal == "SIGKILL":
        pytest.skip("Windows has no SIGKILL")
    assert process(stop_signal=signal).stop_signal == signal


@pytest.mark.parametrize("name", [
    "", "1A", "A-B", "A B", "A=B", "A\n", "É", "A\0", "PROCESSMAN_ID", "PROCESSMAN_",
])
def test_what_is_no_name_of_a_variable_is_refused(name: str) -> None:
    """S15"""
    with pytest.raises(ConfigError, match=r": env/.*: must be a name of A-Z a-z 0-9 _ that begins with no digit"):
        process(env={name: SECRET})


@pytest.mark.parametrize("name", ["A", "_", "a1", "PB_PORT", "PATH", "PROCESSMAN", "MY_PROCESSMAN_ID"])
def test_names_of_variables(name: str) -> None:
    assert process(env={name: "${X} $ $$ \n ä"}).env[name] == "${X} $ $$ \n ä"


def test_one_message_lists_every_problem_and_no_value() -> None:
    with pytest.raises(ConfigError) as caught:
        ProcessConfig(id="a", cwd="", env={"A B": SECRET, "C": 1}, max_retries=SECRET)  # type: ignore
    assert str(caught.value).splitlines() == [
        "cannot configure process 'a': 5 problems",
        "  cwd: must be a string that is not empty",
        "  env/A B: must be a name of A-Z a-z 0-9 _ that begins with no digit and not with PROCESSMAN_",
        "  env/C: must be a string",
        "  max_retries: must be an integer, -1 or more",
        "  needs exactly one of script and command",
    ]
    assert caught.value.pointer == "cwd"


@pytest.mark.parametrize(("given", "words"), [
    ({"data_dir": ""}, "data_dir: must be a path that is not empty"),
    ({"data_dir": None}, "data_dir: must be a path that is not empty"),
    ({"data_dir": "a\0b"}, "data_dir: must be a path that is not empty"),
    ({"config_file": ""}, "config_file: must be None or a path that is not empty"),
    ({"config_file": 1}, "config_file: must be None or a path that is not empty"),
    ({"port": 0}, "port: must be an integer from 1 to 65535"),
    ({"port": 65536}, "port: must be an integer from 1 to 65535"),
    ({"port": "8090"}, "port: must be an integer from 1 to 65535"),
    ({"port": True}, "port: must be an integer from 1 to 65535"),
    ({"dev": None}, "dev: must be True or False"),
    ({"engine": "docker"}, "engine: must be one of auto, local, keeper"),
    ({"owner": None}, "owner: must be one of inprocess, process"),
    ({"linger": -1}, "linger: must be None or a number of seconds from 0 to 3600"),
    ({"linger": True}, "linger: must be None or a number of seconds from 0 to 3600"),
    ({"run_dir": ""}, "run_dir: must be None or a path that is not empty"),
])
def test_a_wrong_config_cannot_be_made(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Config(**given)
    assert str(caught.value) == f"cannot configure the manager: {words}"


def test_config_defaults() -> None:
    made = Config()
    assert (made.data_dir, made.config_file, made.port, made.dev) == ("pb_data", "pb_processes.json", 8090, False)
    assert (made.engine, made.owner, made.linger, made.run_dir) == ("auto", "inprocess", None, None)
    assert Config(config_file=None).config_file is None
    assert dataclasses.replace(made, port=1) == Config(port=1)
    assert pickle.loads(pickle.dumps(made)) == made
    assert hash(made) == hash(Config())


def test_importing_the_package_does_not_import_jsonschema() -> None:
    code = "import processman, sys; sys.exit('jsonschema' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_first_processes_may_be_made_by_many_threads() -> None:
    code = ("from concurrent.futures import ThreadPoolExecutor as T; from processman import ProcessConfig as P\n"
            "made = list(T(8).map(lambda n: P(id=str(n), script='a', env={'A': 'b'}), range(64)))\n"
            "assert [m.id for m in made] == [str(n) for n in range(64)]")
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_making_processes_is_cheap() -> None:
    began = time.process_time()
    for number in range(200):
        process(id=f"a{number}", args=["x"], env={"A": "b"}, backoff="2s")
    assert time.process_time() - began < 1


# the schema

def rules(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
    for inner in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from rules(inner)


def test_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_schema_has_the_keys_of_a_process_described() -> None:
    supported = {key: rule for key, rule in PROCESS["properties"].items() if key not in LATER}
    assert list(supported) == list(NAMES)
    assert all(rule["title"] and rule["description"].endswith(".") for rule in supported.values())
    assert {"envFile", "inheritEnv", "logFile", "readiness", "liveness", "dependsOn", "type", "instances",
            "maxMemory"} == LATER


def test_defaults_of_the_schema_are_those_of_code() -> None:
    given = {NAMES[key]: rule["default"] for key, rule in PROCESS["properties"].items() if "default" in rule}
    assert process(**given) == process()
    without = {"id", "script", "command", "cwd", "dev_mode", "bridge_logs"}
    assert given.keys() == KEYS.keys() - without


def test_patterns_say_the_whole_string() -> None:
    """S8"""
    patterns = [rule["pattern"] for rule in rules(SCHEMA) if isinstance(rule.get("pattern"), str)]
    assert len(patterns) == 4
    assert all(pattern.startswith("^") and pattern.endswith("$") and "\\d" not in pattern for pattern in patterns)


def test_schema_and_code_say_the_rule_of_durations_in_the_same_words() -> None:
    assert SCHEMA["$defs"]["duration"]["errorMessage"] == duration.RULE


@pytest.mark.parametrize("piece", ["a", "1s", "9", "A_", "SIG", ".", "\n", "a-"])
@pytest.mark.parametrize("name", ["id", "backoff", "stop_signal", "env"])
def test_a_megabyte_is_judged_at_once_by_every_rule(name: str, piece: str) -> None:
    """S20"""
    text = piece * (1024 * 1024 // len(piece))
    process()
    began = time.process_time()
    message = ""
    try:
        process(**{name: {text: ""} if name == "env" else text})
    except ConfigError as error:
        message = str(error)
    assert len(message) < 400
    assert time.process_time() - began < 1


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*PROCESS["properties"]]) | st.text(), inner),
))
def test_every_document_is_judged(document: object) -> None:
    found = list(find(document))
    assert len({str(problem) for problem in found}) == len(found)
    plainly_wrong = not jsonschema.Draft202012Validator(SCHEMA).is_valid(document)
    assert found or not plainly_wrong


@pytest.mark.parametrize(("path", "pointer"), [
    ((), ""), ((0, "env", "A"), "/0/env/A"), (("a/b", "c~d"), "/a~1b/c~0d"), (("",), "/"),
    (("a\nb\x1b[31m",), "/a\\nb\\x1b[31m"), (("\ud800\u202e",), "/\\ud800\\u202e"), (("ä",), "/ä"),
    (("x" * 200,), "/" + "x" * 80 + "…"),
])
def test_pointers_are_fit_to_be_shown(path: tuple[object, ...], pointer: str) -> None:
    assert pointer_to(path) == pointer
