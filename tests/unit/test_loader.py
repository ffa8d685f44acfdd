"""The configuration file: each mistake gets its message, nothing gets in, and what is right comes out."""
from __future__ import annotations

import contextlib
import json
import logging
import os
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import TESTDATA

from processman import ConfigError, ProcessConfig
from processman.config import NAMES
from processman.loader import LIMIT, load

INVALID = sorted((TESTDATA / "configs/invalid").glob("*.json"))
VALID = sorted((TESTDATA / "configs/valid").glob("*.json"))
#: stands in the invalid files where a secret could stand
SECRET = "hunt"
GOOD = '[{"id": "a", "script": "a.py", "cwd": "."}]'

on_posix = pytest.mark.skipif(os.name != "posix", reason="the mode says nothing on Windows")
as_root = pytest.mark.skipif(getattr(os, "geteuid", int)() != 0, reason="needs root")
as_somebody = pytest.mark.skipif(getattr(os, "geteuid", int)() == 0, reason="root may read everything")


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of a configuration file, in a directory that only its owner may write."""
    monkeypatch.chdir(tmp_path)
    folder = Path("pb_data")
    folder.mkdir()
    folder.chmod(0o755)
    return folder / "pb_processes.json"


def read(file: Path, content: str | bytes | None = None) -> tuple[ProcessConfig, ...]:
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        file.chmod(0o644)
    return load(file, data_dir=file.parent)


def refusal(file: Path, content: str | bytes | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        read(file, content)
    assert caught.value.path == str(file)
    return str(caught.value)


def entry(**more: Any) -> dict[str, Any]:
    return {"id": "a", "script": "a.py", "cwd": "."} | more


@pytest.mark.parametrize("invalid", INVALID, ids=lambda path: path.stem)
def test_a_broken_file_gets_its_message(file: Path, invalid: Path) -> None:
    """F-json-zoo F-unknown-key F-ids"""
    message = refusal(file, invalid.read_bytes())
    assert message + "\n" == invalid.with_suffix(".txt").read_text()
    assert SECRET not in message


def test_there_is_a_message_for_each_broken_file_and_the_other_way_round() -> None:
    folder = TESTDATA / "configs/invalid"
    assert {path.stem for path in folder.glob("*.txt")} == {path.stem for path in INVALID}
    assert len(INVALID) > 40


@pytest.mark.parametrize("valid", VALID, ids=lambda path: path.stem)
def test_a_file_that_is_right_is_loaded(file: Path, valid: Path) -> None:
    loaded = read(file, valid.read_bytes())
    assert [made.id for made in loaded] == [each["id"] for each in json.loads(valid.read_text("utf-8-sig"))]


def test_every_key_arrives(file: Path) -> None:
    [made] = read(file, (TESTDATA / "configs/valid/every-key.json").read_bytes())
    assert made == ProcessConfig(
        id="every.Key_1-2", script="agent.py", args=("--model", "gpt-4", "", "ünïcode 🐍", "$HOME"),
        cwd=str(file.parent.absolute() / "agents"),
        env={"OPENAI_API_KEY": "${OPENAI_API_KEY}", "MODEL": "${MODEL:-gpt-4}", "PRICE": "$$5", "EMPTY": "",
             "_under": "x", "PB_PORT": "9000"},
        interpreter="python3.12", max_retries=-1, backoff=3723.5, dev_mode=True, watch_paths=("./src", "./config"),
        watch_ignore=("*.csv", "data/**"), restart="on-failure", success_exit_codes=(0, 3, 143),
        stop_signal="SIGINT", stop_timeout=0.5, autostart=False, bridge_logs="stderr",
    )


@pytest.mark.parametrize(("cwd", "below"), [(".", ""), ("./a/b", "a/b"), ("../x", "../x"), ("~", "~")])
def test_cwd_starts_from_the_data_directory(file: Path, cwd: str, below: str) -> None:
    [made] = read(file, json.dumps([entry(cwd=cwd)]))
    assert made.cwd == os.path.normpath(file.parent.absolute() / below)


def test_cwd_that_leads_through_a_link_stays(file: Path, tmp_path: Path) -> None:
    (tmp_path / "far" / "away").mkdir(parents=True)
    (file.parent / "link").symlink_to(tmp_path / "far" / "away")
    [made] = read(file, json.dumps([entry(cwd="link/..")]))
    assert made.cwd == str(file.parent.absolute() / "link" / "..")


def test_cwd_that_is_absolute_stays(file: Path, tmp_path: Path) -> None:
    [made] = read(file, json.dumps([entry(cwd=str(tmp_path))]))
    assert made.cwd == str(tmp_path)


def test_a_file_outside_the_data_directory_may_be_named(file: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "other.json"
    elsewhere.write_text(GOOD)
    [made] = load(elsewhere, data_dir=file.parent)
    assert made.cwd == str(file.parent.absolute())
    [made] = load(elsewhere, data_dir=tmp_path / "not there")
    assert made.cwd == str(tmp_path / "not there")


def test_a_missing_file_is_no_error(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert read(file) == ()
    assert load(Path("no/such/folder/x.json"), data_dir=Path("no")) == ()
    assert [record.levelname for record in caplog.records] == ["INFO", "INFO"]
    assert str(file) in caplog.text


def test_a_thousand_processes_and_no_more(file: Path) -> None:
    """F-json-zoo"""
    many = [entry(id=f"a{number}") for number in range(1001)]
    assert len(read(file, json.dumps(many[:1000]))) == 1000
    assert refusal(file, json.dumps(many)) == f"cannot load {file}: must be an array of at most 1000 processes"


def test_a_file_that_is_wrong_everywhere_gets_a_message_that_can_be_read(file: Path) -> None:
    """F-json-zoo"""
    lines = refusal(file, json.dumps([0] * 900)).splitlines()
    assert lines[0] == f"cannot load {file}: more than 100 problems"
    assert lines[1:] == [f"  /{number}: must be an object" for number in range(100)]
    assert len(refusal(file, "[" + "0," * (LIMIT // 2 - 2) + "0]")) < 10_000


@pytest.mark.parametrize("content", [
    "[" * 100_000, "[" * 100_000 + "]" * 100_000, '{"a":' * 100_000 + "1" + "}" * 100_000,
])
def test_a_file_that_is_nested_too_deeply_is_refused(file: Path, content: str) -> None:
    """F-json-zoo"""
    assert refusal(file, content) == f"cannot load {file}: it is nested too deeply"


@pytest.mark.parametrize("depth", [*range(100, 1000, 100), *range(900, 1000, 7)])
def test_no_depth_breaks_the_judge(file: Path, depth: int) -> None:
    """F-json-zoo"""
    assert refusal(file, "[" * depth + "]" * depth).startswith(f"cannot load {file}: ")
    assert refusal(file, json.dumps([entry()])[:-2] + ', "env": ' + "[" * depth + "]" * depth + "}]")


def test_a_file_may_be_a_mebibyte_and_not_larger(file: Path) -> None:
    """F-json-zoo"""
    [made] = read(file, GOOD.ljust(LIMIT))
    assert made.id == "a"
    assert refusal(file, GOOD.ljust(LIMIT + 1)) == f"cannot load {file}: it is larger than 1 MiB"
    assert refusal(file, GOOD.ljust(10 * LIMIT)) == f"cannot load {file}: it is larger than 1 MiB"


def test_a_mebibyte_of_keys_is_judged_soon(file: Path) -> None:
    """S20"""
    began = time.process_time()
    refusal(file, json.dumps([{f"maxRetrie{number}": 1 for number in range(40_000)}]))
    refusal(file, "[{" + ",".join(['"id": "a"'] * 80_000) + "}]")
    refusal(file, json.dumps([entry(env={f"maxRetrie-{number}": "1" for number in range(40_000)})]))
    assert time.process_time() - began < 10


@pytest.mark.parametrize("name", ["\\ud800", "\\u202e", "\\u001b[31m", "\\n\\nforged: line", "\\u0000", "x" * 9999])
def test_a_key_cannot_forge_a_line_or_drive_a_terminal(file: Path, name: str) -> None:
    """S7"""
    message = refusal(file, f'[{{"id": "a", "script": "a.py", "cwd": ".", "{name}": 1}}]')
    assert message.isprintable()
    assert len(message) < 200
    assert message.endswith(": unknown key")


odd_text = st.text("\0\n/~é🐍a1", max_size=3)
odd_values = (odd_text | st.none() | st.floats() | st.lists(st.integers(), max_size=2)
              | st.dictionaries(odd_text, odd_text, max_size=2))
odd_entries = st.dictionaries(st.sampled_from([*NAMES, "x"]), odd_values, max_size=6)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(odd_entries, max_size=3), st.integers(0, 400), st.binary(max_size=3))
def test_whatever_it_holds_it_is_loaded_or_refused(
    tmp_path_factory: pytest.TempPathFactory, document: Any, at: int, noise: bytes,
) -> None:
    """F-json-zoo"""
    content = json.dumps(document).encode()
    file = tmp_path_factory.getbasetemp() / "zoo.json"
    file.write_bytes(content[:at] + noise + content[at:])
    with contextlib.suppress(ConfigError):
        assert len(load(file, data_dir=file.parent)) == len(json.loads(file.read_bytes().decode("utf-8-sig")))


def test_half_a_file_is_refused_and_the_whole_one_loaded_after_it(file: Path) -> None:
    """F-torn"""
    whole = (TESTDATA / "configs/valid/agents.json").read_text()
    for length in range(len(whole.rstrip()) - 1):
        assert refusal(file, whole[:length]).startswith(f"cannot load {file}: it is ")
    assert [made.id for made in read(file, whole)] == ["openai-agent", "node-worker", "worker"]


def test_what_is_no_file_is_refused_at_once(file: Path) -> None:
    file.mkdir()
    assert refusal(file).startswith(f"cannot load {file}: ")


@on_posix
def test_a_fifo_is_not_waited_for(file: Path) -> None:
    os.mkfifo(file)
    assert refusal(file) == f"cannot load {file}: it is not a regular file"


@on_posix
def test_a_link_is_followed_and_one_that_goes_in_a_circle_is_refused(file: Path, tmp_path: Path) -> None:
    (tmp_path / "real.json").write_text(GOOD)
    file.symlink_to(tmp_path / "real.json")
    assert len(read(file)) == 1
    file.unlink()
    file.symlink_to(file.name)
    assert refusal(file).startswith(f"cannot load {file}: ")


@on_posix
@as_somebody
def test_a_file_that_may_not_be_read_is_refused(file: Path) -> None:
    file.write_text(GOOD)
    file.chmod(0)
    assert refusal(file) == f"cannot load {file}: Permission denied"


@on_posix
def test_nothing_stays_open(file: Path) -> None:
    before = len(list(Path("/dev/fd").iterdir()))
    read(file, GOOD)
    refusal(file, "[")
    file.unlink()
    file.mkdir()
    refusal(file)
    assert len(list(Path("/dev/fd").iterdir())) == before


# who may write it

@on_posix
@pytest.mark.parametrize("mode", [0o666, 0o602, 0o646])
def test_a_file_that_everybody_may_write_is_refused(file: Path, mode: int) -> None:
    """F-perms"""
    file.write_text(GOOD)
    file.chmod(mode)
    assert refusal(file) == f"cannot load {file}: everybody may write it; chmod o-w {file}"


@on_posix
@pytest.mark.parametrize("mode", [0o777, 0o707])
def test_a_directory_that_everybody_may_write_is_refused(file: Path, mode: int) -> None:
    """F-perms"""
    file.write_text(GOOD)
    file.parent.chmod(mode)
    expected = "everybody may write the directory pb_data; chmod o-w pb_data"
    assert refusal(file) == f"cannot load {file}: {expected}"
    file.chmod(0o666)
    assert refusal(file).splitlines() == [
        f"cannot load {file}: 2 problems", f"  everybody may write it; chmod o-w {file}", f"  {expected}",
    ]


@on_posix
def test_every_directory_that_decides_is_looked_at(file: Path, tmp_path: Path) -> None:
    """F-perms"""
    loose = tmp_path / "loose"
    loose.mkdir()
    (loose / "real.json").write_text(GOOD)
    loose.chmod(0o777)
    file.symlink_to(loose / "real.json")
    assert f"everybody may write the directory {loose}" in refusal(file)
    (tmp_path / "apart.json").write_text(GOOD)
    with pytest.raises(ConfigError, match="everybody may write the directory"):
        load(tmp_path / "apart.json", data_dir=loose)


@on_posix
def test_what_the_group_may_write_is_loaded_with_a_warning(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """F-perms"""
    file.write_text(GOOD)
    file.chmod(0o664)
    file.parent.chmod(0o775)
    assert len(read(file)) == 1
    assert [(record.name, record.levelname, record.getMessage()) for record in caplog.records] == [
        ("processman.loader", "WARNING", f"the group may write {path}, which says what is run")
        for path in (file, file.parent)
    ]


@on_posix
def test_ours_in_a_directory_like_tmp_is_loaded(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """F-perms"""
    file.write_text(GOOD)
    file.chmod(0o644)
    file.parent.chmod(0o1777)
    assert len(read(file)) == 1
    [warning] = caplog.records
    assert warning.getMessage() == "everybody may add files to the directory pb_data"


@on_posix
@as_root
def test_somebody_elses_in_a_directory_like_tmp_is_refused(file: Path) -> None:
    """F-perms"""
    file.write_text(GOOD)
    os.chown(file, 12345, -1)
    file.parent.chmod(0o1777)
    assert "everybody may write the directory pb_data" in refusal(file)


@on_posix
@as_root
def test_somebody_elses_is_loaded_with_a_warning(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """F-perms"""
    file.write_text(GOOD)
    file.chmod(0o644)
    os.chown(file, 12345, -1)
    os.chown(file.parent, 54321, -1)
    assert len(read(file)) == 1
    assert [record.getMessage() for record in caplog.records] == [
        f"{file}, which says what is run, belongs to user 12345",
        "pb_data, which says what is run, belongs to user 54321",
    ]


@on_posix
def test_what_is_private_is_loaded_without_a_word(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    file.write_text(GOOD)
    file.chmod(0o600)
    file.parent.chmod(0o700)
    assert len(read(file)) == 1
    assert not caplog.records
