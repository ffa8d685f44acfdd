"""``processman up``: how it begins, how it ends, and what it survives."""
from __future__ import annotations

import fcntl
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from cli.command import Up, of, with_patience
from support import until

from processman import Config, Manager
from processman.cli import console

WEB = of("web", "waits.py")
SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_stops_everything(number, up):
    """H-exit-paths: that nothing is left every test here shows."""
    up.write(WEB, of("slow", "slow_stop.py", 0.2), of("forks", "forks_tree.py", stopTimeout="500ms"))
    process = up.start()
    until(lambda: up.out.count("ready") == 3)
    process.send_signal(number)
    assert process.wait(15) == 0
    assert "[slow] bye" in up.out
    assert "Traceback" not in up.err
    assert up.state() == {}
    assert list((up.directory / ".processman" / "ledger").iterdir()) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_second_signal_kills_at_once(number, code, up):
    up.write(of("stubborn", "ignores_term.py", stopTimeout="10m"))
    process = up.start()
    up.wait_for("[stubborn] ready")
    process.send_signal(signal.SIGTERM)
    until(lambda: up.run("ls", "--json") and "stopping" in up.run("ls", "--json"))
    process.send_signal(number)
    assert process.wait(10) == code


def test_hangups_that_repeat_leave_the_time_to_end(up):
    up.write(of("slow", "slow_stop.py", 0.5))
    process = up.start()
    up.wait_for("[slow] ready")
    process.send_signal(signal.SIGHUP)
    up.wait_for("[slow] stopping")
    process.send_signal(signal.SIGHUP)
    assert process.wait(10) == 0
    assert "[slow] bye" in up.out


def test_a_hangup_that_was_ignored_is_ignored(up):
    """As under nohup."""
    up.write(WEB)
    process = up.start(preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    up.wait_for("[web] ready")
    process.send_signal(signal.SIGHUP)
    assert up.run("restart", "web")
    process.terminate()
    assert process.wait(10) == 0


# -- killed and started again ----------------------------------------------------
def kill_and_start_again(up: Up, claim: Path) -> None:
    process = up.start()
    until(lambda: up.out.count("] ready") >= 4)
    process.kill()
    process.wait()
    (up.directory / "out").write_text("")
    up.start()
    until(lambda: up.out.count("] ready") >= 4)
    up.end()
    doubled = Path(f"{claim}.doubled")
    assert not doubled.exists(), doubled.read_text()


def stubborn_processes(claim: Path) -> list[dict[str, object]]:
    return [of("claims", "claims.py", claim, "ignore", "fork", stopTimeout="100ms"),
            of("session", "setsid_child.py"), of("daemon", "daemonises.py", "stay"),
            of("ticks", "prints_forever.py", 0.001)]  # fmt: skip


def test_what_a_killed_one_left_is_ended_before_anything_is_started(up, tmp_path):
    """H-kill9: never two copies; the daemon and the one in a session of its own are found by their marks."""
    up.write(*stubborn_processes(tmp_path / "claim"))
    kill_and_start_again(up, tmp_path / "claim")
    assert "left by a killed manager" in up.err


@pytest.mark.soak
def test_a_hundred_kills(up, tmp_path):
    """H-kill9"""
    up.write(*stubborn_processes(tmp_path / "claim"))
    for _ in range(100):
        kill_and_start_again(up, tmp_path / "claim")


# -- two of them -----------------------------------------------------------------
def test_a_second_one_is_refused_and_names_the_first(up):
    """H-two-managers"""
    up.write(WEB)
    first = up.start()
    up.wait_for("[web] ready")
    second = up.begin(stderr=subprocess.PIPE)
    _, err = second.communicate(timeout=10)
    assert second.returncode == 1
    assert err.decode() == (f"processman: cannot run in {up.directory}: another `processman up` runs there: "
                            f"pid {first.pid}, {up.state()['address']}\n")  # fmt: skip
    assert first.poll() is None
    assert up.out.count("ready") == 1


def test_a_library_manager_leaves_alone_what_a_live_one_runs(up):
    """H-two-managers"""
    up.write(WEB)
    up.start()
    up.wait_for("[web] ready")
    before = up.run("show", "web", "--json")
    with Manager(Config(data_dir=str(up.directory), config_file=None)):
        assert len(list((up.directory / ".processman" / "ledger").iterdir())) == 2
    assert json.loads(up.run("show", "web", "--json"))["pid"] == json.loads(before)["pid"]
    assert len(list((up.directory / ".processman" / "ledger").iterdir())) == 1


# -- what is wrong with the command ----------------------------------------------
def refused(up: Up, *arguments: object, code: int) -> str:
    process = up.begin(*arguments, stderr=subprocess.PIPE)
    _, err = process.communicate(timeout=10)
    assert process.returncode == code
    assert err.startswith(b"processman: ")
    assert b"Traceback" not in err
    return err.decode()


def test_what_cannot_be_run_is_refused(up, tmp_path):
    busy = socket.create_server(("127.0.0.1", 0))
    (tmp_path / "short").write_text("short")
    up.write(WEB)
    assert "there is no such file" in refused(up, "--config", tmp_path / "none.json", code=2)
    assert "16 printable" in refused(up, "--token-file", tmp_path / "short", code=2)
    for bad, why in ((tmp_path / "none", "No such file or directory"), (tmp_path, "Is a directory")):
        words = f"cannot read the token in {bad}: {why}; give --token-file a file that holds a token"
        assert words in refused(up, "--token-file", bad, code=2)
    assert "cannot allow hosts" in refused(up, "--allow-host", "a/b", code=2)
    address = f"127.0.0.1:{busy.getsockname()[1]}"
    assert refused(up, "--http", address, code=1).endswith(f"cannot serve on {address}: Address already in use\n")
    busy.close()
    (up.directory / "pb_processes.json").write_text('[{"id": "a", "cwd": ".", "command": "x", "max_retries": 1}]')
    err = refused(up, "--http", "0.0.0.0:0", code=2)
    assert ("maxRetries" in err, "serving" in err) == (True, False)
    (up.directory / "pb_processes.json").unlink()
    up.directory.rmdir() if not any(up.directory.iterdir()) else None
    assert up.state() == {}


def test_a_directory_that_is_not_there_is_refused(tmp_path):
    line = [sys.executable, "-m", "processman", "up", "--dir", tmp_path / "none"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=10)
    assert (done.returncode, done.stderr) == (
        2, f"processman: cannot run in {tmp_path / 'none'}: there is no such directory\n",
    )  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_a_file_elsewhere(up, tmp_path):
    other = tmp_path / "other.json"
    other.write_text(json.dumps([of("other", "waits.py")]))
    up.write(WEB)
    up.start("--config", other)
    up.wait_for("[other] ready")
    assert "web" not in up.out


def test_nothing_to_run_is_no_error(up):
    (up.directory / "pb_processes.json").unlink()
    process = up.start()
    up.wait_for("there is no configuration file")
    process.terminate()
    assert process.wait(10) == 0


def test_a_public_address_is_warned_about(up):
    up.start("--http", "0.0.0.0:0")
    up.wait_for("warning: serving on 0.0.0.0, without encryption")
    up.wait_for("processman: serving http://127.0.0.1:")
    assert up.state()["address"].startswith("http://127.0.0.1:")
    assert up.run("ls")


# -- what children get -----------------------------------------------------------
def test_children_are_told_the_port_and_nothing_of_the_token(up, monkeypatch):
    """S3, S16"""
    monkeypatch.setenv("PROCESSMAN_TOKEN", "canary-canary-canary")
    monkeypatch.setenv("PLAIN", "kept")
    up.write(of("env", "prints_environment.py"))
    up.start("--port", 9999)
    up.wait_for("[env] ready")
    assert '"PLAIN": "kept"' in up.out
    assert '"PB_PORT": "9999"' in up.out
    assert "canary" not in up.out
    assert (up.directory / ".processman" / "token").read_text().strip() not in up.out + up.err


def test_the_limit_of_descriptors_is_raised(up):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    process = up.start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard)))
    assert resource.prlimit(process.pid, resource.RLIMIT_NOFILE) == (hard, hard)


# -- output ----------------------------------------------------------------------
def test_output_is_prefixed_and_messages_are_apart(up):
    up.write(of("a", "interleaves.py", 4), of("b", "exits_with.py", 7, maxRetries=1, backoff="1ms"))
    process = up.start()
    up.wait_for("b has failed: exit code 7")
    until(lambda: "[a!] " in up.out)
    process.terminate()
    assert process.wait(10) == 0
    assert {line.split("]")[0] for line in up.out.splitlines()} == {"[a", "[a!", "[b"}
    assert all(line.startswith("processman: ") for line in up.err.splitlines())
    assert "processman: warning: b has crashed: exit code 7; retry in 0." in up.err


def test_nobody_reading_the_output_any_more_is_no_reason_to_end(up):
    """As in ``up | head -1``."""
    up.write(of("ticks", "prints_forever.py", 0.005))
    reading, writing = os.pipe()
    process = up.start(stdout=writing)
    os.close(writing)
    assert os.read(reading, 5) == b"[tick"
    os.close(reading)
    up.wait_for("nobody reads standard output")
    assert up.run("restart", "ticks")
    process.terminate()
    assert process.wait(10) == 0
    assert up.err.count("nobody reads") == 1


def test_a_stream_that_somebody_made_nonblocking_loses_nothing():
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    size = fcntl.fcntl(writing, fcntl.F_GETPIPE_SZ)
    thread = threading.Thread(target=console._Stream(writing).write, args=["x" * (size + 5)])
    thread.start()
    left = size + 5
    while left:
        left -= len(os.read(reading, left))
    thread.join()
    os.close(reading)
    os.close(writing)


def test_standard_streams_that_are_closed(up):
    """As in ``up >&- 2>&-``: what is opened next must not get the output."""
    up.write(of("ticks", "prints_forever.py", 0.005))

    def close() -> None:
        for fd in (0, 1, 2):
            os.close(fd)

    process = up.start(stdout=None, stderr=None, stdin=None, preexec_fn=close)
    assert up.run("restart", "ticks")
    for path in (up.directory / ".processman").rglob("*"):
        assert path.is_dir() or b"tick" not in path.read_bytes().replace(b'"ticks"', b"").replace(b" ticks", b"")
    process.terminate()
    assert process.wait(10) == 0


def test_a_terminal_that_is_stopped_stops_nobody_else(up, tmp_path):
    """O-consumer-blocks: both streams are full, the child writes on, the API answers, a signal ends it."""
    up.write(of("floods", "floods.py", 200_000), of("crashes", "exits_with.py", 1, maxRetries=-1, backoff="1ms"))
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    process = up.start(stdout=writing, stderr=writing)
    os.close(writing)
    until(lambda: "ready" in up.run("logs", "floods", "-n", "1"))
    runs = json.loads(up.run("show", "crashes", "--json"))["run"]
    until(lambda: json.loads(up.run("show", "crashes", "--json"))["run"] > runs)
    process.terminate()
    assert with_patience(process) == 0
    os.close(reading)


def test_an_application_that_runs_the_same_is_warned_of(up):
    run_dir = up.directory.parent / "run"
    config = Config(data_dir=up.directory, run_dir=run_dir, engine="keeper", linger=0.0, config_file=None)
    with Manager(config):
        up.start()
        assert f"(process {os.getpid()} leads): what both configure runs twice" in up.err
    until(lambda: not list(run_dir.glob("*.sock")))
