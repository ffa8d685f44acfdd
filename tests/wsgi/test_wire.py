"""What answers look like, to the letter, and that no secret is in them."""
from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from wsgi.api import START, FakeManager, line

from processman.config import Config, ProcessConfig
from processman.masking import Redactor
from processman.states import State
from processman.wsgi.wire import Wire

EXAMPLE = (
    '{"id":"ai-agent","pid":4021,"status":"running","startTime":"2026-01-30T10:00:00Z","uptime":"2h30m15s",'
    '"restartCount":3,"lastError":"",'
    '"config":{"id":"ai-agent","script":"agent.py","args":["--model","gpt-4"],"cwd":"/app/agents",'
    '"env":{"OPENAI_API_KEY":"****","PB_PORT":"8090","PB_DATA_DIR":"/app/pb_data"},"interpreter":"python3",'
    '"maxRetries":10,"backoff":"2s","devMode":true,"watchPaths":["./src","./config"],'
    '"watchIgnore":["*.tmp"],"restart":"always","successExitCodes":[0],"stopSignal":"SIGTERM","stopTimeout":"10s",'
    '"autostart":true,"bridgeLogs":null},'
    '"exitCode":1,"signal":null,"run":4,"nextRetryAt":null,"escaped":[],"watch":"on"}'
)
AGENT = {
    "id": "ai-agent", "script": "agent.py", "args": ("--model", "gpt-4"), "cwd": "/app/agents",
    "env": {"OPENAI_API_KEY": "${OPENAI_API_KEY}"}, "backoff": "2s", "dev_mode": True,
    "watch_paths": ("./src", "./config"), "watch_ignore": ("*.tmp",),
}
SECRET = "c4n4ry-V4lue"


def test_a_process_is_spelled_as_promised(ask: Any, fake: FakeManager) -> None:
    fake.add("ai-agent", config=ProcessConfig(**AGENT), pid=4021, start_time=START, uptime=9015.9,
             restart_count=3, run=4, exit_code=1, watch="on", interpreter="python3")
    assert ask("/ai-agent").text == EXAMPLE


def test_a_log_line_is_spelled_as_promised(ask: Any, fake: FakeManager) -> None:
    moment = datetime(2026, 1, 30, 10, 0, 1, tzinfo=UTC)
    content = "Starting server on port 8001..."
    fake.lines = [
        line(17, content, timestamp=moment, process_id="ai-agent"),
        line(0, "> ", stream="stderr", partial=True),
    ]
    assert ask("/web/logs").text == (
        '[{"timestamp":"2026-01-30T10:00:01Z","processId":"ai-agent","stream":"stdout",'
        '"content":"Starting server on port 8001...","seq":17,"run":1},'
        '{"timestamp":"2026-01-30T10:00:00Z","processId":"web","stream":"stderr",'
        '"content":"> ","seq":0,"run":1,"partial":true}]'
    )


def test_what_never_ran_has_no_times_and_its_interpreter_as_written(ask: Any, fake: FakeManager) -> None:
    fake.add("new", State.STOPPED)
    shown = ask("/new").json
    assert [shown[key] for key in ("pid", "startTime", "uptime", "exitCode", "signal", "watch")] == [None] * 6
    assert (shown["run"], shown["restartCount"], shown["config"]["interpreter"]) == (0, 0, "auto")


def test_a_command_has_no_script_and_no_interpreter(ask: Any, fake: FakeManager) -> None:
    fake.add("tool", config=ProcessConfig(id="tool", command="/bin/tool", cwd="/app"))
    config = ask("/tool").json["config"]
    assert list(config)[:3] == ["id", "command", "args"]
    assert (config["command"], config["interpreter"], "script" in config) == ("/bin/tool", "", False)


def test_what_is_executed_itself_has_no_interpreter_once_it_ran(ask: Any, fake: FakeManager) -> None:
    fake.add("web", run=1, interpreter="")
    assert ask("/web").json["config"]["interpreter"] == ""


def test_how_a_crash_is_shown(ask: Any, fake: FakeManager) -> None:
    fake.add("web", State.CRASHED, signal="SIGKILL", last_error="killed by SIGKILL", run=2, restart_count=1,
             next_retry_at=START + timedelta(milliseconds=1500), escaped=("12 daemon",),
             watch="degraded: no watches")
    shown = ask("/web").json
    assert shown["nextRetryAt"] == "2026-01-30T10:00:01.500Z"
    assert (shown["signal"], shown["lastError"], shown["exitCode"]) == ("SIGKILL", "killed by SIGKILL", None)
    assert (shown["escaped"], shown["watch"]) == (["12 daemon"], "degraded: no watches")


@pytest.mark.parametrize(("moment", "text"), [
    (START, "2026-01-30T10:00:00Z"),
    (START.replace(microsecond=250_000), "2026-01-30T10:00:00.250Z"),
    (START.replace(microsecond=1_000), "2026-01-30T10:00:00.001Z"),
    (START.replace(microsecond=999_999), "2026-01-30T10:00:00.999Z"),
    (START.replace(microsecond=999), "2026-01-30T10:00:00Z"),
    (datetime(2026, 1, 30, 12, 0, tzinfo=timezone(timedelta(hours=2))), "2026-01-30T10:00:00Z"),
])
def test_times_are_utc_with_milliseconds_when_not_whole(
    ask: Any, fake: FakeManager, moment: datetime, text: str
) -> None:
    fake.add("web", start_time=moment)
    assert ask("/web").json["startTime"] == text


@pytest.mark.parametrize(("uptime", "text"), [
    (0.0, "0s"), (0.99, "0s"), (59.9, "59s"), (3600.0, "1h0m0s"), (-1.0, "0s"),
])
def test_uptime_is_whole_seconds(ask: Any, fake: FakeManager, uptime: float, text: str) -> None:
    fake.add("web", uptime=uptime)
    assert ask("/web").json["uptime"] == text


@pytest.mark.parametrize(("dev", "own", "shown"), [
    (False, None, False), (True, None, True), (True, False, False), (False, True, True),
])
def test_dev_mode_is_the_one_in_force(dev: bool, own: bool | None, shown: bool) -> None:
    fake = FakeManager(Config(dev=dev))
    status = fake.add("web", config=ProcessConfig(id="web", script="w.py", dev_mode=own))
    config: Any = Wire(fake.config).process(status)["config"]
    assert config["devMode"] is shown


def test_a_process_may_override_what_is_injected(ask: Any, fake: FakeManager) -> None:
    fake.add("web", config=ProcessConfig(id="web", script="w.py", env={"PB_PORT": "1", "A": "b"}))
    assert ask("/web").json["config"]["env"] == {"PB_PORT": "1", "A": "b", "PB_DATA_DIR": "/app/pb_data"}


def test_a_relative_data_directory_is_shown_absolute(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    fake = FakeManager(Config(data_dir="pb_data"))
    shown: Any = Wire(fake.config).process(fake.add())
    assert shown["config"]["env"]["PB_DATA_DIR"] == str(tmp_path / "pb_data")


LEAKY = {
    "id": "web", "script": f"{SECRET}.py", "cwd": f"/app/{SECRET}", "interpreter": f"/opt/{SECRET}/python",
    "args": ("--api-key", SECRET, f"--password={SECRET}", f"prefix-{SECRET}", f"https://u:{SECRET}@h/", "-v"),
    "env": {
        "API_KEY": SECRET, "DB_URL": f"postgres://u:{SECRET}@h/db", "PLAIN": f"see {SECRET}", "LEVEL": "info",
        "TEMPLATE": "${API_KEY}-${OTHER:-x}", "HEADER": "Bearer abcdef123456",
    },
    "watch_paths": (f"./{SECRET}",),
}


@pytest.mark.parametrize("redact", [str, Redactor([SECRET])], ids=["before its first run", "after it"])
def test_no_secret_is_shown(ask: Any, fake: FakeManager, redact: Any) -> None:
    """A-canary"""
    fake.add("web", config=ProcessConfig(**LEAKY), redact=redact, last_error=f"cannot find {SECRET}",
             interpreter=f"/opt/{SECRET}/bin/python", watch=f"degraded: {SECRET}", escaped=(f"12 {SECRET}",))
    for path in ("/web", "/list"):
        assert SECRET not in ask(path).text
    config = ask("/web").json["config"]
    shown = ["--api-key", "****", "--password=****", "prefix-****", "https://u:****@h/", "-v"]
    assert config["args"] == shown
    assert config["env"]["LEVEL"] == "info"
    assert config["env"]["TEMPLATE"] == "${API_KEY}-${OTHER:-x}"
    assert config["env"]["HEADER"] == "Bearer ****"


def test_what_only_looks_secret_is_not_shown(ask: Any, fake: FakeManager) -> None:
    """A-canary"""
    url = "https://u:hunter2@h/"
    config = ProcessConfig(id="web", script="w.py", args=("--api-key", "a1b2", url), cwd=f"/{url}")
    fake.add("web", config=config, last_error=f"cannot reach {url}")
    shown = ask("/web").json
    assert shown["config"]["args"] == ["--api-key", "****", "https://u:****@h/"]
    assert shown["config"]["cwd"] == "/https://u:****@h/"
    assert shown["lastError"] == "cannot reach https://u:****@h/"


def test_ids_are_shown_whatever_they_look_like(ask: Any, fake: FakeManager) -> None:
    """A-canary"""
    config = ProcessConfig(id="agent-007", script="agent-007.py", env={"TOKEN": "agent-007"})
    fake.add("agent-007", config=config)
    shown = ask("/agent-007").json
    assert (shown["id"], shown["config"]["script"]) == ("agent-007", "agent-007.py")


@pytest.mark.parametrize("change", [
    {"config": ProcessConfig(id="web", script="other.py")},
    {"redact": Redactor(["web.py/web.py"])},
    {"interpreter": "node"},
    {"status": State.FAILED},
])
def test_what_is_kept_for_the_next_answer_follows_every_change(
    ask: Any, fake: FakeManager, change: dict[str, Any]
) -> None:
    before = fake.add("web", config=ProcessConfig(id="web", script="web.py/web.py"))
    first = ask("/list").json
    fake.statuses["web"] = replace(before, **change)
    assert ask("/list").json != first
    assert [ask("/web").json] == ask("/list").json
    fake.statuses["web"] = before
    assert ask("/list").json == first


def test_what_is_registered_no_more_is_not_kept(fake: FakeManager) -> None:
    wire = Wire(fake.config)
    for number in range(50):
        wire.process(fake.add(f"p{number}"))
    fake.statuses = {"p1": fake.statuses["p1"]}
    wire.processes(fake.list())
    assert list(wire._shown) == ["p1"]


def test_any_text_is_valid_json(ask: Any, fake: FakeManager) -> None:
    odd = "\ud800 \x00\x1b[31m \u2028</script> \U0001f600 \ufffd \""
    fake.lines = [line(1, odd)]
    fake.add("web", config=ProcessConfig(id="web", script="web.py", env={"A": odd.replace("\x00", "")}))
    assert json.loads(ask("/web/logs").data)[0]["content"] == odd
    assert json.loads(ask("/web").data)["config"]["env"]["A"] == odd.replace("\x00", "")


@pytest.mark.parametrize("character", ["x", "\x00", "\ufffd", "\U0001f600"])
def test_logs_are_at_most_four_mebibytes_of_the_newest(ask: Any, fake: FakeManager, character: str) -> None:
    """A-lines"""
    fake.lines = [line(seq, character * 16_384) for seq in range(1, 65)]
    response = ask("/web/logs?lines=1000")
    seqs = [item["seq"] for item in response.json]
    assert len(response.data) <= 4 * 1024 * 1024
    assert seqs == list(range(65 - len(seqs), 65))
    assert len(seqs) == 64 or len(response.data) > 4 * 1024 * 1024 - 16_384 * 12 - 200
