from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from processman.cli.output import colourful, hue, line_of, note, row, table


def process(id="web", status="running", **more):
    return {"id": id, "status": status, "pid": 4021, "uptime": "2h30m15s", "restartCount": 3, "lastError": "",
            "nextRetryAt": None, "escaped": [], "watch": None, "exitCode": None} | more  # fmt: skip


NOW = datetime(2026, 1, 30, 10, tzinfo=UTC)


def soon(seconds):
    return (NOW + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(("shown", "expected"), [
    (process(), ""),
    (process(lastError="exit code 1"), ""),
    (process(status="crashed", lastError="exit code 1", nextRetryAt=soon(7.5)), "retry in 8 s: exit code 1"),
    (process(status="crashed", lastError="exit code 1", nextRetryAt=soon(-5)), "retry in 0 s: exit code 1"),
    (process(status="failed", lastError="killed by SIGKILL"), "killed by SIGKILL"),
    (process(status="exited", exitCode=0), "exit code 0"),
    (process(status="stopping", escaped=["sh (pid 7)", "x (pid 8)"]), "cannot end sh (pid 7), x (pid 8)"),
    (process(watch="degraded: no watches left"), "watch degraded: no watches left"),
    (process(watch="on"), ""),
])  # fmt: skip
def test_the_note_says_why(shown, expected):
    assert note(shown, NOW) == expected


ROWS = [
    row(process("web"), NOW),
    row(process("ai-agent", "crashed", pid=None, uptime=None, lastError="exit code 1", nextRetryAt=soon(7.5)), NOW),
]


@pytest.mark.parametrize(("width", "lines"), [
    (None, ["ID        STATUS   PID   UPTIME    RESTARTS  NOTE",
            "web       running  4021  2h30m15s  3",
            "ai-agent  crashed  -     -         3         retry in 8 s: exit code 1"]),
    (80, ["ID        STATUS   PID   UPTIME    RESTARTS  NOTE",
          "web       running  4021  2h30m15s  3",
          "ai-agent  crashed  -     -         3         retry in 8 s: exit code 1"]),
    (62, ["ID        STATUS   PID   UPTIME    RESTARTS  NOTE",
          "web       running  4021  2h30m15s  3",
          "ai-agent  crashed  -     -         3         retry in 8 s: ex…"]),
    (60, ["ID        STATUS   PID   UPTIME    NOTE",
          "web       running  4021  2h30m15s",
          "ai-agent  crashed  -     -         retry in 8 s: exit code 1"]),
    (45, ["ID        STATUS   PID   NOTE",
          "web       running  4021",
          "ai-agent  crashed  -     retry in 8 s: exit …"]),
    (38, ["ID        STATUS   NOTE",
          "web       running",
          "ai-agent  crashed  retry in 8 s: exit…"]),
    (20, ["ID        STATUS",
          "web       running",
          "ai-agent  crashed"]),
    (12, ["ID        S…",
          "web       r…",
          "ai-agent  c…"]),
])  # fmt: skip
def test_the_table_fits(width, lines):
    assert table(ROWS, width=width, coloured=False) == lines


def test_wide_characters_count_twice():
    rows = [row(process(status="failed", lastError="找不到脚本"), NOW)]
    assert table(rows, width=49, coloured=False)[1] == "web  failed  4021  2h30m15s  3         找不到脚本"
    assert table(rows, width=48, coloured=False)[1] == "web  failed  4021  2h30m15s  找不到脚本"
    assert table(rows, width=24, coloured=False)[1] == "web  failed  找不到脚本"
    assert table(rows, width=22, coloured=False)[1] == "web  failed"


def test_the_table_colours_the_status_alone():
    plain, coloured = (table(ROWS, width=80, coloured=coloured) for coloured in (False, True))
    assert coloured[0] == plain[0]
    assert coloured[1] == plain[1].replace("running", "\x1b[32mrunning\x1b[0m")
    assert coloured[2] == plain[2].replace("crashed", "\x1b[31mcrashed\x1b[0m")


def test_nothing_in_the_table_drives_the_terminal():
    """O-ansi"""
    failed = process(status="failed", lastError="\x1b]0;title\x07\n\r\tnext")
    lines = table([row(failed, NOW)], width=200, coloured=False)
    assert len(lines) == 2
    assert lines[1].endswith(r"\x1b]0;title\x07\n\r next")


@pytest.mark.parametrize(("stream", "coloured", "expected"), [
    ("stdout", False, "[web] a\tb\\x1b[2J"), ("stderr", False, "[web!] a\tb\\x1b[2J"),
    ("stdout", True, f"\x1b[{hue('web')}m[web]\x1b[0m a\tb\\x1b[2J"),
    ("stderr", True, f"\x1b[{hue('web')}m[web!]\x1b[0m \x1b[31ma\tb\\x1b[2J\x1b[0m"),
])  # fmt: skip
def test_a_line_names_its_process_and_stream(stream, coloured, expected):
    """O-ansi"""
    assert line_of("web", stream, "a\tb\x1b[2J", coloured=coloured) == expected


class Stream:
    def __init__(self, terminal):
        self.isatty = lambda: terminal


@pytest.mark.parametrize(("terminal", "variables", "expected"), [
    (True, {}, True), (False, {}, False), (True, {"NO_COLOR": "1"}, False), (True, {"NO_COLOR": ""}, True),
    (True, {"TERM": "dumb"}, False), (True, {"TERM": ""}, True),
])  # fmt: skip
def test_colours_only_where_they_are_welcome(terminal, variables, expected, monkeypatch):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert colourful(Stream(terminal)) is expected
