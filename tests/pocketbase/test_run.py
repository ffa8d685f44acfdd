"""``processman pocketbase run``: PocketBase begins first, ends last, and keeps no secret in a log."""
from __future__ import annotations

import json
import os
import pty
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import psutil
import pytest
from cli.command import of
from pocketbase_run import Run
from pocketbase_server import EMAIL, PASSWORD, QUIET, Answer
from support import ROOT, until

from processman import cli
from processman.cli.arguments import parse
from processman.client import find
from processman.pocketbase.serving import Serving

WORKER = of("worker", "asks_host.py")


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    directory = tmp_path / "pb_data"
    directory.mkdir()
    made = Run(directory, WORKER)
    yield made
    made.end()


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{QUIET}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))


def ended(run: Run, process: subprocess.Popen[bytes]) -> str:
    """Wait for an end that PocketBase's wrong configuration brings; return what is said of it."""
    assert process.wait(15) == 2, run.err
    assert "worker is running" not in run.err
    assert run.err.count("pocketbase is running") <= 1
    assert run.state() == {}
    return run.err.splitlines()[-1]


# -- how it begins and ends ------------------------------------------------------
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_pocketbase_serves_before_all_else_begins_and_until_all_else_has_ended(number, run):
    run.hook("slow", "$app.onServe().bindFunc((e) => { sleep(700); e.next() })")
    process = run.start()
    run.wait_for("[worker] ready 200")
    process.send_signal(number)
    assert process.wait(15) == 0
    assert "[worker] bye 200" in run.out
    assert re.findall(r"(\w+) is stopped", run.err) == ["worker", "pocketbase"]
    assert "Traceback" not in run.err
    assert run.state() == {}


def test_it_is_asked_like_any_other(run):
    run.write(WORKER, of("later", "waits.py", autostart=False))
    run.start()
    run.wait_for("[worker] ready 200")
    listed = json.loads(run.run("ls", "--json"))
    assert [(each["id"], each["status"]) for each in listed] == [
        ("pocketbase", "running"), ("worker", "running"), ("later", "stopped"),
    ]
    before = run.pid("pocketbase")
    assert "running" in run.run("restart", "pocketbase")
    assert run.pid("pocketbase") != before
    until(run.pocketbase.is_healthy)
    assert run.pid("worker") == listed[1]["pid"]


def test_its_hook_is_told_that_it_is_supervised_and_nobody_else_is(run):
    run.write(of("worker", "prints_environment.py"))
    run.start()
    run.wait_for("[worker] ready")
    environ = Path(f"/proc/{run.pid('pocketbase')}/environ").read_bytes().split(b"\0")
    assert b"PROCESSMAN_SUPERVISED=1" in environ
    assert "PROCESSMAN_SUPERVISED" not in run.out


def is_open(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def test_a_killed_pocketbase_comes_back_and_the_others_stay(run):
    run.start()
    run.wait_for("[worker] ready 200")
    worker, before = run.pid("worker"), run.pid("pocketbase")
    os.kill(before, signal.SIGKILL)
    run.wait_for("pocketbase has crashed: killed by SIGKILL")
    until(lambda: run.pid("pocketbase") not in (0, before))
    until(lambda: is_open(run.port))
    assert run.pid("worker") == worker


def test_a_second_signal_kills_at_once(run):
    run.write(of("stubborn", "ignores_term.py", stopTimeout="10m"))
    process = run.start()
    run.wait_for("[stubborn] ready")
    process.terminate()
    until(lambda: "stopping" in run.run("ls", "--json"))
    assert run.pid("pocketbase")
    process.terminate()
    assert process.wait(15) == 143


def test_a_signal_while_everything_waits_for_pocketbase_ends_it(run, tmp_path):
    silent = tmp_path / "silent"
    silent.write_text("#!/bin/sh\necho here\nexec sleep 600\n")
    silent.chmod(0o755)
    run.binary = silent
    process = run.begin()
    run.wait_for("[pocketbase] here")
    process.terminate()
    assert process.wait(15) == 0
    assert "worker is running" not in run.err


def test_a_data_directory_is_made(run):
    run.directory = run.directory / "new"
    run.begin()
    run.wait_for("Server started")
    assert (run.directory / "data.db").exists()


# -- what is wrong is said, and not tried again ----------------------------------
def test_a_port_in_use(run):
    with closing(socket.create_server(("127.0.0.1", run.port))):
        assert ended(run, run.begin()) == (
            f"processman: cannot run PocketBase: something else listens at 127.0.0.1:{run.port} already"
        )
    assert "pocketbase is running" not in run.err


def test_a_port_in_use_that_only_pocketbase_finds(run):
    """There is a listener on another address of this machine, which 0.0.0.0 covers."""
    with closing(socket.create_server(("127.0.0.2", run.port))):
        said = ended(run, run.begin_with("serve", f"--http=0.0.0.0:{run.port}"))
    assert said == (f"processman: cannot run PocketBase: exit code 1: listen tcp 0.0.0.0:{run.port}: "
                    "bind: address already in use")  # fmt: skip


def test_a_flag_that_is_none(run):
    said = ended(run, run.begin("--bad"))
    assert said == "processman: cannot run PocketBase: exit code 1: unknown flag: --bad"
    assert "retry" not in run.err


def test_a_hook_with_an_error_of_syntax(run):
    run.hook("wrong", "foo(")
    assert "exit code 2: SyntaxError" in ended(run, run.begin("--hooksWatch=false"))


def test_a_hook_with_an_error_of_syntax_that_pocketbase_bears(run):
    run.hook("wrong", "foo(")
    run.start()
    run.wait_for("[worker] ready 200")
    run.wait_for("failed to execute wrong.pb.js")


def test_a_command_that_is_not_there(run):
    run.binary = "no-such-pocketbase"
    assert "cannot find command 'no-such-pocketbase'" in ended(run, run.begin())


def test_a_file_that_is_wrong_starts_nothing(run):
    (run.directory / "pb_processes.json").write_text("[")
    process = run.begin()
    assert process.wait(15) == 2
    assert "is running" not in run.err


def test_an_id_that_is_pocketbases(run):
    run.write(of("pocketbase", "waits.py"))
    process = run.begin()
    assert process.wait(15) == 1
    assert "cannot register process 'pocketbase': the id is taken" in run.err


@pytest.mark.parametrize("line", [[], ["superuser", "upsert"], ["serve", "--http=:0"],
                                  ["serve", "--dir", "/elsewhere"]])  # fmt: skip
def test_a_command_line_that_cannot_be_used(line, run):
    process = run.begin_with(*line)
    assert process.wait(15) == 2
    assert run.err.startswith("processman: cannot run PocketBase: ")
    assert run.err.count("\n") == 1


def test_who_asks_for_it_does_so_once_more_when_it_is_right(run):
    """What supervises us may start us again: nothing of the first time is in the way."""
    ended(run, run.begin("--bad"))
    run.start()
    run.wait_for("[worker] ready 200")


# -- the link that makes a superuser ---------------------------------------------
def test_the_link_is_in_no_log(run):
    run.start()
    run.wait_for("[worker] ready 200")
    run.wait_for("superuser upsert EMAIL PASS")
    lines = [line["content"] for line in find(run.directory).logs("pocketbase", 1000)]
    assert f"http://127.0.0.1:{run.port}/_/#/pbinstall/****" in lines
    assert "eyJ" not in "".join([*lines, run.out, run.err])


def test_the_link_is_shown_on_a_terminal(run):
    ours, theirs = pty.openpty()
    try:
        run.begin(stdout=theirs)
        os.close(theirs)
        shown = read_until(ours, rb"superuser upsert EMAIL PASS")
        [token] = re.findall(r"/pbinstall/(eyJ[\w.-]+)", shown)
        assert run.pocketbase.ask("GET", "/api/collections", token).status == 200
        lines = [line["content"] for line in find(run.directory).logs("pocketbase", 1000)]
        assert f"http://127.0.0.1:{run.port}/_/#/pbinstall/****" in lines
        run.end()
    finally:
        os.close(ours)
    assert "eyJ" not in run.err


def read_until(fd: int, words: bytes) -> str:
    """Read a terminal until *words* stand there."""
    read, found = bytearray(), threading.Event()

    def take() -> None:
        with suppress(OSError):
            while words not in read and (data := os.read(fd, 4096)):
                read.extend(data)
        found.set()

    reader = threading.Thread(target=take)
    reader.start()
    assert found.wait(15)
    reader.join()
    return read.decode()


# -- with the hook ---------------------------------------------------------------
class Hooked:
    """A PocketBase with our hook, and a superuser of it."""

    def __init__(self, run: Run) -> None:
        self.run, self.project = run, run.directory.parent
        run.pocketbase.command("superuser", "upsert", EMAIL, PASSWORD)

    def install(self, *options: str) -> None:
        line = ["pocketbase", "install", str(self.project), "--dir", str(self.run.directory), *options]
        assert cli.main(line) == 0

    def start(self) -> subprocess.Popen[bytes]:
        (self.run.log / "out").write_text("")
        process = self.run.begin("--hooksDir", self.project / "pb_hooks")
        self.run.wait_for("[worker] ready 200")
        self.token = self.run.pocketbase.sign_in()
        return process

    def ask(self, method: str, path: str) -> Answer:
        return self.run.pocketbase.ask(method, path, self.token)

    def logged(self, process: str) -> list[tuple[str, int]]:
        """Return what PocketBase's logs hold of a process."""
        rows = self.ask("GET", f"/api/logs?perPage=200&filter=data.process='{process}'").json["items"]
        return [(row["message"], row["level"]) for row in rows]


@pytest.fixture
def hooked(run: Run) -> Hooked:
    return Hooked(run)


def test_the_hook_passes_the_api_on(run, hooked):
    hooked.install()
    process = hooked.start()
    listed = hooked.ask("GET", "/api/pm/list").json
    assert [each["id"] for each in listed] == ["pocketbase", "worker"]
    assert listed[0]["pid"] == run.pid("pocketbase")
    assert run.pocketbase.ask("GET", "/api/pm/list").status == 401
    assert hooked.ask("POST", "/api/pm/worker/restart").status == 200
    until(lambda: run.err.count("worker is running") == 2)
    assert hooked.ask("POST", "/api/pm/worker/stop").status == 200
    answer = hooked.ask("POST", "/api/pm/nobody/stop")
    assert answer.json == {"data": {}, "message": "Process not found.", "status": 404}
    assert run.state()["pid"] == process.pid
    process.terminate()
    assert process.wait(15) == 0


def test_pocketbase_is_restarted_through_itself_and_never_stopped(run, hooked):
    hooked.install()
    hooked.start()
    pid = run.pid("pocketbase")
    answer = hooked.ask("POST", "/api/pm/pocketbase/stop")
    assert (answer.status, answer.json["message"]) == (
        409, "PocketBase is the first process here: end `processman pocketbase run` instead.")  # fmt: skip
    assert run.pid("pocketbase") == pid
    assert hooked.ask("POST", "/api/pm/pocketbase/restart").status == 200
    until(lambda: run.pid("pocketbase") not in (0, pid) and run.pocketbase.is_healthy())


def test_killed_it_leaves_what_the_next_one_ends(run):
    run.write(of("worker", "waits.py"))
    process = run.start()
    until(lambda: run.pid("worker"))
    left = [psutil.Process(run.pid(id)) for id in ("pocketbase", "worker")]

    def living() -> int:
        return sum(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in left)

    process.kill()
    process.wait(15)
    assert living() == 2
    run.start()
    until(lambda: run.err.count("worker is running") == 2)
    assert living() == 0


def test_status_knows_who_runs_it(run, hooked, capsys):
    run.write(WORKER, of("slow", "waits.py", stopTimeout="1m", autostart=False))
    hooked.install()
    hooked.start()
    assert run.state()["patience"] == 66
    line = ["pocketbase", "status", str(hooked.project)]
    capsys.readouterr()
    assert cli.main(line) == 0
    assert "in `processman pocketbase run`" in capsys.readouterr().out
    assert cli.main(["pocketbase", "uninstall", str(hooked.project)]) == 1
    assert "a manager runs there that PocketBase did not start" in capsys.readouterr().err
    assert cli.main(line) == 1
    assert re.findall("^(.*?) +(ok|not ok)", capsys.readouterr().out, re.M) == [
        ("hook", "not ok"), ("manager", "ok"), ("pocketbase", "ok"),
    ]


def test_lines_go_into_the_logs_to_the_last_of_them(run, hooked):
    hooked.install()
    process = hooked.start()
    until(lambda: ("ready 200", 0) in hooked.logged("worker"))
    until(lambda: "Process is running" in str(hooked.logged("pocketbase")))
    process.terminate()
    assert process.wait(15) == 0
    assert "[worker] bye 200" in run.out
    hooked.start()
    assert ("bye 200", 0) in hooked.logged("worker")
    assert ("Process is stopped", 0) in hooked.logged("worker")
    assert "Server started" not in str(hooked.logged("pocketbase"))


@pytest.mark.parametrize("mode", ["events", "none"])
def test_lines_go_where_the_hook_was_installed_to_write_them(mode, run, hooked):
    run.write(WORKER, of("loud", "asks_host.py", bridgeLogs="all"))
    hooked.install("--bridge", mode)
    hooked.start()
    until(lambda: ("ready 200", 0) in hooked.logged("loud"))
    assert "ready" not in str(hooked.logged("worker"))
    assert ("Process is running" in str(hooked.logged("pocketbase"))) == (mode == "events")


# -- its page --------------------------------------------------------------------
PAGE = (ROOT / "docs" / "pocketbase-run.md").read_text()


@pytest.mark.parametrize("line", re.findall(r"processman (pocketbase run -- .*)", PAGE))
def test_the_command_lines_of_the_page_can_be_used(line):
    arguments = parse(line.partition(" #")[0].split())
    assert Serving.of(arguments.argv[1:], arguments.dir).port == 8090


@pytest.mark.parametrize(("line", "said"), re.findall(r"^\$ processman .*? -- pocketbase (.*)\n(.*)$", PAGE, re.M))
def test_what_is_wrong_is_said_as_on_the_page(line, said, run):
    line, _, taken = line.replace("8090", str(run.port)).partition(" # ")
    with closing(socket.create_server(("127.0.0.1", run.port if taken else 0))):
        assert ended(run, run.begin_with(*line.split())) == said.replace("8090", str(run.port))
