"""Lines in PocketBase's own logs."""
from __future__ import annotations

import re

from pocketbase_project import Project
from support import until


def row(message: str, level: int, source: str, process: str = "web") -> dict[str, object]:
    return {"message": message, "level": level, "data": {"process": process, "source": source}}


def shown(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    return [{name: row[name] for name in ("message", "level", "data")} for row in rows]


def test_each_process_says_what_of_it_goes_into_the_logs(project: Project) -> None:
    project.install("--bridge", "stderr")
    modes = {"plain": None, "whole": "all", "quiet": "events", "silent": "none", "last": "events"}
    project.write(*(project.script(id, "interleaves.py", "3", **({"bridgeLogs": mode} if mode else {}))
                    for id, mode in modes.items()))
    project.start()
    token = project.superuser()
    for id in modes:  # the last of them comes after all that could have come
        until(lambda id=id: project.ask("GET", f"/api/pm/{id}/logs", token).text.count("ready") == 2)
        assert project.ask("POST", f"/api/pm/{id}/stop", token).status == 200
    until(lambda: row("Process is stopped", 0, "processman", "last") in shown(project.rows(token)), 15)
    sources = {(each["data"]["process"], each["data"]["source"]) for each in project.rows(token)}
    assert sources == {
        ("plain", "STDERR"), ("plain", "processman"), ("whole", "STDOUT"), ("whole", "STDERR"),
        ("whole", "processman"), ("quiet", "processman"), ("last", "processman"),
    }  # fmt: skip


def test_a_line_is_a_row_as_with_the_go_plugin(project: Project) -> None:
    project.write({"id": "web", "command": "/bin/sh", "args": ["-c", "echo fine; echo bad >&2; exec sleep 600"],
                   "cwd": "."})  # fmt: skip
    project.start()
    token = project.superuser()
    until(lambda: len(project.rows(token)) >= 3, 15)
    rows = shown(project.rows(token))
    assert row("fine", 0, "STDOUT") in rows
    assert row("bad", 8, "STDERR") in rows


def test_a_line_forges_no_row_and_drives_no_terminal(project: Project) -> None:
    """With ``--dev`` PocketBase prints its logs as they are."""
    line = r"a\033]0;title\007\033[2Jb\rINFO forged\tc\302\233\n"
    args = ["-c", f"printf '{line}'; exec sleep 600"]
    project.write({"id": "web", "command": "/bin/sh", "args": args, "cwd": "."},
                  {"id": "gone", "command": "/no/\x1b[2Jwhere", "cwd": "."})  # fmt: skip
    project.start("--dev")
    token = project.superuser()
    until(lambda: len({row["data"]["process"] for row in project.rows(token)}) == 2, 15)
    rows = project.rows(token)
    assert "a\\x1b]0;title\\x07\\x1b[2Jb\\rINFO forged\tc\\x9b" in {row["message"] for row in rows}
    assert any(r"/no/\x1b[2Jwhere" in row["message"] for row in rows)
    printed = (project.directory / "pocketbase.log").read_text()
    assert r"\x1b]0;title\x07" in printed
    assert not re.search("\x1b]0;|\x1b\\[2J|\x07|\x9b|\rINFO", printed)


def test_of_a_flood_two_hundred_a_second_come_and_the_rest_is_counted(project: Project) -> None:
    project.write({"id": "web", "command": "/bin/sh", "args": ["-c", "seq 1 5000; exec sleep 600"], "cwd": "."})
    project.start()
    token = project.superuser()
    until(lambda: project.rows(token, "message='5000'"), 30)

    def told() -> int:
        came = project.ask("GET", "/api/logs?filter=data.source='STDOUT'", token).json["totalItems"]
        return came + sum(int(note["message"].split()[0]) for note in project.rows(token, "message~'left out'"))

    until(lambda: told() == 5000, 15)


def test_last_words_are_kept_and_pocketbase_still_listens(project: Project) -> None:
    """Processes end before PocketBase closes its port."""
    project.write(project.child("web"))
    server = project.start()
    token = project.superuser()
    until(lambda: project.starts("web"))
    server.terminate()
    assert server.wait(20) == 0
    server = project.start()
    until(lambda: project.rows(token, "message='last words'"), 15)


def test_while_pocketbase_restarts_lines_wait(project: Project) -> None:
    count = "i=0; while [ $i -lt 60 ]; do i=$((i+1)); echo line $i; sleep 0.05; done; exec sleep 600"
    project.write({"id": "web", "command": "/bin/sh", "cwd": ".", "args": ["-c", count]})
    project.start()
    token = project.superuser()
    for number in range(3):
        (project.hook.parent / "other.pb.js").write_text(f'routerAdd("GET", "/n", (e) => e.json(200, {number}))')
        until(lambda number=number: project.ask("GET", "/n").text.strip() == str(number))
    until(lambda: project.rows(token, "message='line 60'"), 20)
    messages = {row["message"] for row in project.rows(token, "data.source='STDOUT'")}
    assert messages >= {f"line {number}" for number in range(1, 61)}
