from __future__ import annotations

from pathlib import Path

import pytest

from processman import cli
from processman.cli.arguments import parse


@pytest.mark.parametrize("line", [
    "", "fly", "show", "show a b", "start", "stop", "restart", "start --all web", "logs -n 0", "logs -n 1001",
    "logs -n -5", "logs -n x", "logs -n \N{ARABIC-INDIC DIGIT THREE}", "logs a b", "ls web", "ls --js",
    "up --http 8091", "up --http :8091", "up --http ::1:80", "up --http a:65536", "up --http a:-1", "up --http a:",
    "up --port x", "up --port 0", "up --json", "up web", "check web", "check --url http://a", "ls --lines 3",
])  # fmt: skip
def test_a_wrong_command_is_one_line_and_exit_code_2(line, capsys):
    with pytest.raises(SystemExit) as raised:
        cli.main(line.split(" ") if line else [])
    out, err = capsys.readouterr()
    assert (raised.value.code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("processman: cannot understand the command: ")


@pytest.mark.parametrize(("line", "rule"), [
    ("up --port {}", "argument --port: a port is a number from 1 to 65535"),
    ("up --http a:{}", "argument --http: a port is a number from 0 to 65535"),
    ("logs -n {}", "argument -n/--lines: the number of lines is one from 1 to 1000"),
])  # fmt: skip
@pytest.mark.parametrize("number", ["65536", "9" * 5000, "x", ""])
def test_a_number_out_of_bounds_is_told_the_rule(line, rule, number, capsys):
    with pytest.raises(SystemExit):
        cli.main(line.format(number).split(" "))
    assert f": {rule} (see" in capsys.readouterr().err


@pytest.mark.parametrize(("text", "address"), [
    ("127.0.0.1:0", ("127.0.0.1", 0)), ("localhost:80", ("localhost", 80)), ("[::1]:8091", ("::1", 8091)),
    ("0.0.0.0:65535", ("0.0.0.0", 65535)),
])  # fmt: skip
def test_an_address_is_host_and_port(text, address):
    assert parse(["up", "--http", text]).http == address


def test_defaults():
    up = parse(["up"])
    assert (up.dir, up.config, up.http, up.port) == (Path("pb_data"), None, ("127.0.0.1", 8091), 8090)
    assert (up.dev, up.token_file, up.allow_host) == (False, None, [])
    assert parse(["logs"]).lines == 100


def test_options_of_up():
    up = parse(["up", "--dir", "d", "--config", "c", "--port", "1", "--dev", "--token-file", "t",
                "--allow-host", "a", "--allow-host", "b:1"])
    assert (up.dir, up.config, up.port, up.dev, up.token_file, up.allow_host) == (
        Path("d"), Path("c"), 1, True, Path("t"), ["a", "b:1"],
    )  # fmt: skip


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_are_no_errors(option, capsys):
    with pytest.raises(SystemExit) as raised:
        cli.main([option])
    assert raised.value.code == 0
    assert "processman" in capsys.readouterr().out
