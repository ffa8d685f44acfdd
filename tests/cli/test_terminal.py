"""In a terminal: colours, the width of the table, and what happens when it is closed."""
from __future__ import annotations

import fcntl
import os
import re
import signal
import struct
import subprocess
import sys
import termios
from contextlib import suppress

import pytest
from cli.command import of
from support import until

ESCAPE = re.compile(r"\x1b\[[0-9]*m")


class Terminal:
    """A pseudo terminal of so many columns, and everything that was written to it."""

    def __init__(self, columns: int) -> None:
        self.ours, self.theirs = os.openpty()
        os.set_blocking(self.ours, False)
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.text = ""

    def options(self, **more):
        """Give a process this as its controlling terminal."""
        streams = {"stdin": self.theirs, "stdout": self.theirs, "stderr": self.theirs, "start_new_session": True}
        return {**streams, "preexec_fn": lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0)} | more

    def read(self) -> str:
        with suppress(BlockingIOError, OSError):
            while data := os.read(self.ours, 65536):
                self.text += data.decode().replace("\r\n", "\n")
        return self.text

    def wait_for(self, text: str) -> str:
        until(lambda: text in self.read(), what=f"{text!r}")
        return self.text

    def close(self) -> None:
        for fd in (self.ours, self.theirs):
            with suppress(OSError):
                os.close(fd)


@pytest.fixture
def terminal():
    made = []

    def make(columns=80):
        made.append(Terminal(columns))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_output_is_coloured_by_process(up, terminal):
    up.write(of("web", "waits.py"), of("other", "interleaves.py", 2))
    screen = terminal()
    up.start(**screen.options())
    screen.wait_for("[other!]\x1b[0m \x1b[31mready\x1b[0m\n")
    until(lambda: screen.read().count("\x1b[0m ready\n") == 2)
    colours = dict(re.findall(r"\x1b\[(\d+)m\[(\w+)\]\x1b\[0m ready\n", screen.text))
    assert sorted(colours.values()) == ["other", "web"]


def test_no_colour_where_that_is_asked_for(up, terminal, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    up.write(of("web", "waits.py"))
    screen = terminal()
    up.start(**screen.options())
    assert "\x1b" not in screen.wait_for("[web] ready\n")


def test_terminal_codes_of_a_child_are_inert(up, terminal):
    """O-ansi"""
    up.write(of("odd", "terminal_codes.py"))
    screen = terminal()
    up.start(**screen.options())
    text = ESCAPE.sub("", screen.wait_for("ready\n"))
    assert not [char for char in text if char != "\n" and (char < " " or "\x7f" <= char < "\xa0")]
    assert r"\x1b[31mred" in text


@pytest.mark.parametrize("columns", [200, 60, 40, 24, 8])
def test_the_table_fits_the_terminal(columns, up, terminal):
    up.write(of("web", "waits.py"), of("broken", "exits_with.py", 3, maxRetries=0))
    up.start()
    up.wait_for("broken has failed")
    up.wait_for("web is running")
    screen = terminal(columns)
    line = [sys.executable, "-m", "processman", "ls", "--dir", up.directory]
    subprocess.run(line, **screen.options(), check=True)
    lines = screen.read().splitlines()
    assert len(lines) == 3
    assert max(len(ESCAPE.sub("", line)) for line in lines) <= columns
    assert ("exit code 3" in screen.text) is (columns >= 40)
    assert ("\x1b[32mrunning\x1b[0m" in screen.text) is (columns >= 24)


def test_closing_the_terminal_ends_all(up, terminal):
    """H-exit-paths: the hangup is the last thing that comes from it; that nothing is left every test shows."""
    up.write(of("web", "waits.py"), of("forks", "forks_tree.py", stopTimeout="500ms"))
    screen = terminal()
    process = up.start(**screen.options())
    until(lambda: screen.read().count("ready") == 2)
    screen.close()
    assert process.wait(10) == 0
    assert up.state() == {}


def test_an_interrupt_from_the_keyboard_stops_everything_in_order(up, terminal):
    """Children are in sessions of their own, so the key reaches the manager alone."""
    up.write(of("slow", "slow_stop.py", 0.1))
    screen = terminal()
    process = up.start(**screen.options())
    screen.wait_for("ready")
    os.write(screen.ours, b"\x03")
    assert process.wait(10) == 0
    assert "bye" in screen.read()
    assert "slow is stopped" in screen.text


def test_a_closed_terminal_under_nohup_is_survived(up, terminal):
    up.write(of("ticks", "prints_forever.py", 0.01))
    screen = terminal()
    take = screen.options()["preexec_fn"]

    def ignoring() -> None:
        take()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    process = up.start(**screen.options(preexec_fn=ignoring))
    screen.wait_for("tick 1")
    screen.close()
    assert "ticks" in up.run("restart", "ticks")
    process.terminate()
    assert process.wait(10) == 0
