"""The commands against a running ``processman up``."""
from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
from contextlib import nullcontext
from urllib.parse import urlsplit

import pytest
from cli.command import of
from support import CHILDREN, until

from processman.cli import Failure
from processman.cli.verbs import _Reader, _wait_for_run
from processman.client import Refused
from processman.wsgi.server import Server

WEB = of("web", "waits.py")


def test_ls_shows_what_runs(up, run):
    up.write(WEB, of("broken", "exits_with.py", 3, maxRetries=0), of("later", "waits.py", autostart=False))
    up.start()
    until(lambda: "failed" in run("ls")[1] and "running" in run("ls")[1])
    code, out, err = run("ls")
    rows = [line.split(None, 5) for line in out.splitlines()]
    assert rows[0] == ["ID", "STATUS", "PID", "UPTIME", "RESTARTS", "NOTE"]
    assert [row[:2] for row in rows[1:]] == [["web", "running"], ["broken", "failed"], ["later", "stopped"]]
    assert rows[2][2:] == ["-", "-", "0", "exit code 3"]
    assert (code, err, "\x1b" in out) == (0, "", False)
    processes = json.loads(run("ls", "--json")[1])
    assert [(p["id"], p["status"]) for p in processes] == [
        ("web", "running"), ("broken", "failed"), ("later", "stopped"),
    ]  # fmt: skip


def test_show_has_an_exit_code_for_not_running(up, run):
    up.write(WEB | {"env": {"API_KEY": "canary", "MODE": "fast"}}, of("later", "waits.py", autostart=False))
    up.start()
    up.wait_for("web is running")
    code, out, _ = run("show", "web")
    assert code == 0
    assert {"status               running", "  cwd                " + str(CHILDREN), "    MODE             fast",
            "    API_KEY          ****"} <= set(out.splitlines())  # fmt: skip
    code, out, _ = run("show", "later", "--json")
    assert (code, json.loads(out)["status"]) == (3, "stopped")
    assert run("show", "nobody") == (1, "", "processman: cannot show process 'nobody': Process not found\n")


def test_stop_start_restart(up, run):
    up.write(WEB, of("other", "waits.py"))
    up.start()
    up.wait_for("other is running")
    assert run("stop", "web")[0] == 0
    assert run("show", "web")[0] == 3
    assert run("stop", "web")[0] == 0
    code, out, _ = run("start", "web", "--json")
    assert (code, json.loads(out)[0]["status"], json.loads(out)[0]["run"]) == (0, "running", 2)
    code, out, _ = run("restart", "web", "other", "web")
    assert (code, [line.split()[0] for line in out.splitlines()]) == (0, ["ID", "web", "other"])
    assert run("start", "web") == (1, "", "processman: cannot start process 'web': Process is already running\n")
    for verb in ("start", "restart", "stop"):
        unknown = f"processman: cannot {verb} process 'nobody': Process not found\n"
        assert run(verb, "nobody") == (1, "", unknown)
    code, out, err = run("stop", "nobody", "other")
    assert (code, err) == (1, "processman: cannot stop process 'nobody': Process not found\n")
    assert out.splitlines()[1].split()[:2] == ["other", "stopped"]


def test_all(up, run):
    up.write(WEB, of("other", "waits.py", autostart=False))
    up.start()
    up.wait_for("web is running")
    code, out, _ = run("start", "--all")
    assert (code, [line.split()[0] for line in out.splitlines()]) == (0, ["ID", "other"])
    assert run("restart", "--all")[0] == 0
    assert run("stop", "--all")[0] == 0
    assert [line.split()[1] for line in run("ls")[1].splitlines()[1:]] == ["stopped", "stopped"]


def test_a_stop_waits_for_slow_ones_side_by_side(up, run):
    up.write(*(of(f"slow-{n}", "slow_stop.py", 0.5) for n in range(5)))
    up.start()
    until(lambda: up.out.count("ready") == 5)
    assert run("stop", "--all")[0] == 0
    lines = [line for line in up.out.splitlines() if line.endswith(("] stopping", "] bye"))]
    assert [line.endswith("] stopping") for line in lines] == [True] * 5 + [False] * 5


@pytest.mark.parametrize("verb", ["start", "restart"])
def test_a_start_that_fails_says_why(verb, up, run):
    up.write(of("broken", "no_such_script.py", autostart=False))
    up.start()
    code, _, err = run(verb, "broken")
    assert code == 1
    assert err.startswith(f"processman: cannot {verb} process 'broken': cannot find")
    assert str(CHILDREN / "no_such_script.py") in err


def test_a_task_that_ends_well_has_been_started(up, run):
    up.write(of("task", "exits_with.py", 0, restart="never", autostart=False))
    up.start()
    code, out, _ = run("start", "task")
    assert (code, out.splitlines()[1].split()[1] in ("running", "exited")) == (0, True)


# -- logs ------------------------------------------------------------------------
def test_logs_of_one_and_of_all(up, run):
    up.write(of("a", "interleaves.py", 10), of("b", "floods.py", 2000))
    up.start()
    until(lambda: run("logs", "b", "-n", 1)[1] == "[b] ready\n")
    assert run("logs", "b", "-n", 3)[1] == "[b] line 000001999\n[b] line 000002000\n[b] ready\n"
    code, out, _ = run("logs", "-n", 1000)
    assert (code, out.count("\n")) == (0, 1000)
    lines = [json.loads(line) for line in run("logs", "a", "--json")[1].splitlines()]
    assert {line["processId"] for line in lines} == {"a"}
    assert run("logs", "nobody")[0] == 1


def test_logs_end_with_a_last_line_that_has_no_end(up, run):
    up.write(of("a", "no_newline.py", restart="never"))
    up.start()
    until(lambda: "exited" in run("ls")[1])
    assert run("logs", "a")[1] == "[a] ready\n[a] last words\n"


def test_terminal_codes_of_a_child_are_inert(up, run):
    """O-ansi"""
    up.write(of("odd", "terminal_codes.py"))
    up.start()
    up.wait_for("[odd] ready")
    for text in (up.out, run("logs")[1], run("logs", "--json")[1]):
        assert not [char for char in text if char != "\n" and (char < " " or "\x7f" <= char < "\xa0")]
        assert r"\x1b[31mred" in text or r"\u001b[31mred" in text


def command(up, *arguments, **options):
    line = [sys.executable, "-m", "processman", *arguments, "--dir", up.directory]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def test_following_goes_on_until_nobody_reads(up):
    """As in ``logs -f | head``: no complaint, no traceback."""
    up.write(of("ticks", "prints_forever.py", 0.01))
    up.start()
    with command(up, "logs", "ticks", "-f", "-n", "1") as follower:
        seen = [int(follower.stdout.readline().split()[-1]) for _ in range(80)]
        follower.stdout.close()
        assert (follower.wait(10), follower.stderr.read()) == (0, "")
    assert seen == list(range(seen[0], seen[0] + 80))


def test_following_ends_by_interrupt_and_with_its_manager(up):
    up.write(WEB)
    process = up.start()
    up.wait_for("[web] ready")
    with command(up, "logs", "-f") as interrupted, command(up, "logs", "-f") as bereaved:
        assert interrupted.stdout.readline() == bereaved.stdout.readline() == "[web] ready\n"
        interrupted.send_signal(2)
        assert (interrupted.wait(10), interrupted.stderr.read()) == (130, "")
        process.terminate()
        assert (bereaved.wait(10), bereaved.stderr.read()) == (0, "processman: the manager has ended\n")


@pytest.mark.parametrize("later", [("200 OK", b"<html>"), ("401 UNAUTHORIZED", b'{"message": "No."}')])
def test_following_a_stranger_is_an_error(later, run, tmp_path):
    answers = iter([("200 OK", b"[]")])

    def app(environ, start_response):
        status, body = next(answers, later)
        start_response(status, [("Content-Length", str(len(body)))])
        return [body]

    (tmp_path / "token").write_text("a-token-of-length")
    with Server("127.0.0.1", 0, app) as server:
        url = f"http://127.0.0.1:{server.port}"
        code, _, err = run("logs", "web", "-f", "--url", url, "--token-file", tmp_path / "token")
    assert (code, err.count("\n")) == (4, 1)


class Scripted:
    """A client whose answers are given, one list of sequence numbers after another."""

    def __init__(self, *answers):
        self.answers = iter(answers)

    def processes(self):
        return [{"id": "web"}]

    def logs(self, process_id, lines):
        return [{"timestamp": "2026-01-30T10:00:00Z", "processId": process_id, "stream": "stdout",
                 "content": f"line {seq}", "seq": seq, "run": 1} for seq in next(self.answers)]  # fmt: skip


@pytest.mark.parametrize(("answers", "printed"), [
    ([[1, 2, 3], [2, 3, 4]], ["line 1", "line 2", "line 3", "line 4"]),
    ([[1, 2], [5, 6]], ["line 1", "line 2", "2 missed", "line 5", "line 6"]),
    ([[], [3, 4]], ["2 missed", "line 3", "line 4"]),
    ([[1, 2, 0], [2, 3, 0]], ["line 1", "line 2", "line 3"]),
    ([[8, 9], [1, 2]], ["line 8", "line 9", "line 1", "line 2"]),
    ([[8, 9], [], [9, 10]], ["line 8", "line 9", "line 10"]),
])  # fmt: skip
@pytest.mark.parametrize("process_id", ["web", None])
def test_following_announces_gaps_and_repeats_nothing(answers, printed, process_id):
    class Arguments:
        id, json, follow = process_id, False, True

    reader = _Reader(Scripted(*answers), Arguments)
    lines = [line for _ in answers for line in reader.read(1000)]
    assert [line.get("content") or f"{line['missed']} missed" for line in lines] == printed


def test_following_says_on_standard_error_what_was_missed(capsys):
    class Arguments:
        id, json, follow = "web", False, True

    reader = _Reader(Scripted([1], [5]), Arguments)
    for _ in range(2):
        reader.print(reader.read(1000))
    out, err = capsys.readouterr()
    assert (out, err) == ("[web] line 1\n[web] line 5\n", "processman: 3 lines of web were missed\n")


@pytest.mark.parametrize(("process_id", "raises"), [("web", True), (None, False)])
def test_of_all_processes_one_may_be_removed_meanwhile(process_id, raises):
    class Arguments:
        id, json, follow = process_id, False, True

    def gone():
        raise Refused("cannot read the log of process 'web': Process not found", 404)
        yield

    client = Scripted()
    client.answers = gone()
    with pytest.raises(Refused) if raises else nullcontext():
        assert _Reader(client, Arguments).read(10) == []


def one(status, run, **more):
    return {"id": "web", "status": status, "run": run, "lastError": "", "escaped": [], **more}


@pytest.mark.parametrize(("seen", "failure"), [
    ([one("stopped", 1), one("starting", 2), one("running", 2)], None),
    ([one("running", 1), one("stopping", 1), one("running", 2)], None),
    ([one("stopped", 1), one("exited", 2)], None),
    ([one("running", 1), one("crashed", 2, lastError="exit code 1")], "exit code 1"),
    ([one("running", 1), one("stopped", 2)], "it is stopped"),
    ([one("stopping", 1, escaped=["sh (pid 7)"])], r"cannot end sh \(pid 7\)"),
])  # fmt: skip
def test_who_waits_for_a_run_is_told_what_became_of_it(seen, failure):
    class Watched:
        answers = iter(seen)

        def process(self, process_id, *, to):
            return next(self.answers)

    with pytest.raises(Failure, match=failure) if failure else nullcontext():
        assert _wait_for_run(Watched(), "restart", "web", before=1) == seen[-1]


# -- who may ask -----------------------------------------------------------------
def test_without_a_manager(up, run):
    for verb in ("ls", "logs"):
        code, out, err = run(verb)
        assert (code, out, err.count("\n")) == (4, "", 1)
        assert err.startswith("processman: cannot find a manager: no `processman up` runs in")


def test_by_address_and_token(up, run, tmp_path, monkeypatch):
    up.write(WEB)
    up.start()
    url = up.state()["address"]
    token = (up.directory / ".processman" / "token").read_text()
    (tmp_path / "token").write_text(token)
    (tmp_path / "wrong").write_text("a-wrong-token-of-length")
    assert run("ls", "--url", url, "--token-file", tmp_path / "token")[0] == 0
    assert run("ls", "--url", url.removesuffix("/api/pm"), "--token-file", tmp_path / "token")[0] == 0
    assert run("ls", "--url", url)[0] == 4
    code, _, err = run("ls", "--url", url, "--token-file", tmp_path / "wrong")
    assert (code, "not authorised" in err, "a-wrong-token" in err) == (4, True, False)
    for bad, why in ((tmp_path / "none", "No such file or directory"), (tmp_path, "Is a directory")):
        words = f"cannot read the token in {bad}: {why}; give --token-file a file that holds a token"
        assert run("ls", "--url", url, "--token-file", bad) == (2, "", f"processman: {words}\n")
    assert run("ls", "--url", "gopher://x", "--token-file", tmp_path / "token")[0] == 2
    monkeypatch.setenv("PROCESSMAN_TOKEN", token.strip())
    assert run("ls", "--url", url)[0] == 0


def ask(up, path, method="GET", **headers):
    parts = urlsplit(up.state()["address"])
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def test_strangers_learn_nothing(up):
    """A-auth-zoo, A-host, A-csrf"""
    up.write(WEB)
    up.start("--allow-host", "app.example")
    bearer = {"Authorization": "Bearer " + (up.directory / ".processman" / "token").read_text().strip()}
    assert ask(up, "/api/pm/list", **bearer)[0] == 200
    assert ask(up, "/api/pm/list", Host="app.example:99", **bearer)[0] == 200
    assert ask(up, "/api/pm/list", Host="evil.example", **bearer)[0] == 421
    assert ask(up, "/api/pm/web/stop", "POST", Origin="http://evil.example", **bearer)[0] == 403
    for path in ("/list", "/api/pm/list", "/api/pmx/list", "//api/pm/list", "/web"):
        assert ask(up, path)[0] == 401
    for path in ("/list", "//", "/static/app.js", "/api/pmx/list", "//api/pm/list", "/api/pm//list", "/web"):
        assert ask(up, path, **bearer)[0] == 404


def test_the_dashboard_is_where_one_looks_for_it(up):
    up.start()
    for path, place in {"/": "/api/pm/", "/api/pm": "./pm/"}.items():
        connection = http.client.HTTPConnection(urlsplit(up.state()["address"]).netloc, timeout=10)
        connection.request("GET", path)
        answer = connection.getresponse()
        assert (answer.status, answer.headers["Location"]) == (302, place)
        connection.close()
    assert ask(up, "/api/pm/")[0] == ask(up, "/api/pm/static/app.js")[0] == 200


def test_ls_imports_nothing_heavy(up):
    up.start()
    heavy = "'werkzeug', 'watchdog', 'jsonschema', 'processman.wsgi', 'asyncio', 'concurrent'"
    script = (f"import sys; from processman import cli; assert cli.main(['ls', *sys.argv[1:]]) == 0;"
              f"print([name for name in ({heavy}) if name in sys.modules])")  # fmt: skip
    line = [sys.executable, "-c", script, "--dir", up.directory]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_server_ends_without_a_thread_left(up, run):
    up.write(WEB)
    process = up.start()
    threads = [threading.Thread(target=run, args=["ls"]) for _ in range(3)]
    assert [thread.start() for thread in threads] == [None] * 3
    for thread in threads:
        thread.join()
    process.terminate()
    assert process.wait(10) == 0


# -- check -----------------------------------------------------------------------
def test_check(up, run, tmp_path, monkeypatch):
    monkeypatch.delenv("NOT_SET", raising=False)
    up.write(WEB, of("b", "waits.py", env={"A": "${NOT_SET}", "B": "${NOT_SET:-x}"}))
    path = up.directory / "pb_processes.json"
    warning = "process 'b' would fail here: A needs NOT_SET, which is not set"
    assert run("check") == (0, f"{path} is valid: 2 processes\n", f"processman: warning: {warning}\n")
    code, out, _ = run("check", "--json")
    assert (code, json.loads(out)) == (0, {"file": str(path), "processes": ["web", "b"], "warnings": [warning]})
    other = tmp_path / "other.json"
    other.write_text('[{"id": "web", "cwd": ".", "command": "true", "max_retries": 1, "env": {"A": 7}}]')
    code, out, err = run("check", "--config", other)
    assert (code, out) == (2, "")
    assert "maxRetries" in err
    assert err.startswith("processman: ")
    assert run("check", "--config", tmp_path / "none")[0] == 2
    path.chmod(0o664)
    warning = f"processman: warning: the group may write {path}, which says what is run\n"
    if os.name == "posix":
        code, out, err = run("check")
        assert (code, out, err.startswith(warning)) == (0, f"{path} is valid: 2 processes\n", True)
        assert len(json.loads(run("check", "--json")[1])["warnings"]) == 2
    path.unlink()
    path.mkdir()
    assert run("check")[2] == f"processman: cannot load {path}: Is a directory\n"
    path.rmdir()
    code, out, err = run("check")
    assert (code, err) == (2, f"processman: cannot check {path}: there is no such file\n")
