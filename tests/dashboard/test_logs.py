"""The drawer of one process: its live log and its configuration."""
from __future__ import annotations

from collections.abc import Callable

from dashboard.conftest import Serve, says
from dashboard.page import Page
from support import child, until

from processman import Manager

Look = Callable[..., Page]
MIXED = (
    "import sys, time\n"
    "print('plain \\x1b[1;31mred\\x1b[0m \\x1b[38;2;0;200;10mgreen\\x1b[m '"
    "'\\x1b]0;title\\x07 \\x1b[2J', flush=True)\n"
    "print('Traceback', file=sys.stderr, flush=True)\ntime.sleep(600)"
)
#: prints so many lines, and one more for each second
COUNTS = "import sys, time\nfor n in range(int(sys.argv[1])): print('line', n)\nsys.stdout.flush()\ntime.sleep(600)"


def test_streams_and_colours_are_told_apart(serve: Serve, look: Look) -> None:
    page = look(serve(says("web", code=MIXED)))
    page.click("[data-id=web] .open")
    page.wait_for(".line.error", "Traceback")
    assert page.texts(".line.error .tag") == ["stderr"]
    assert page.texts(".line .fg-red.bold") == ["red"]
    assert page.texts(".line .fg-green") == ["green"]
    page.wait_for(".line .text", "plain red green ␛]0;title␇ ␛[2J")
    lefts = "return [...document.querySelectorAll('.line .text')].map((each) => each.getBoundingClientRect().left)"
    for width in (1280, 360):
        page.resize(width, 740)
        assert len(set(page.run(lefts))) == 1
    page.click(".logs .small")
    until(lambda: len(page.all(".line")) == 1)


def test_what_ended_it_is_called_what_it_is(manager: Manager, serve: Serve, look: Look) -> None:
    page = look(serve(says("web", "hello"), child("done", "exits_with.py", 4, restart="never")))
    page.wait_status("done", "failed")
    page.click("[data-id=done] .open")
    page.wait_for(".facts", "Exit code\n4")
    manager.wait_for("web", "running", timeout=10)
    manager.stop_process("web")
    page.click("[data-id=web] .open")
    page.wait_for(".facts", "Ended by\nSIGTERM")


def test_it_stands_still_for_who_scrolls_up(manager: Manager, serve: Serve, look: Look) -> None:
    page = look(serve(says("web", "300", code=COUNTS)))
    page.click("[data-id=web] .open")
    page.wait_for(".lines", "line 299")
    page.run("document.querySelector('.lines').scrollTop = 40")
    page.wait_for(".jump", "Follow")
    first = page.texts(".line .text")[:3]
    manager.restart_process("web")
    page.wait_for(".jump", "301 new lines")
    assert page.texts(".line .text")[:3] == first
    page.click(".jump")
    page.wait_gone(".jump")
    page.wait_for(".between", "run 2")
    assert len(page.all(".line")) == 600


def test_it_stays_at_the_end_when_lines_wrap_anew(manager: Manager, serve: Serve, look: Look) -> None:
    page = look(serve(says("web", *(f"{number} {'long ' * 40}" for number in range(100)))))
    page.click("[data-id=web] .open")
    page.wait_for(".lines", "99 long")
    at_end = ("const lines = document.querySelector('.lines');"
              "return lines.scrollHeight > 1500 && lines.scrollHeight - lines.scrollTop - lines.clientHeight < 2")
    for width in (360, 1280, 820):
        page.resize(width, 740)
        until(lambda: page.run(at_end))
    page.click(".logs [aria-label^=Wrap]")
    page.click(".logs [aria-label^=Wrap]")
    until(lambda: page.run(at_end))
    page.click("#pm-tab-configuration")
    page.click("#pm-tab-logs")
    until(lambda: page.run(at_end))
    assert not page.shown(".jump")
    manager.restart_process("web")
    page.wait_for(".between", "run 2")
    until(lambda: page.run(at_end))


def test_it_keeps_so_many_lines_and_says_what_is_missing(manager: Manager, serve: Serve, look: Look) -> None:
    page = look(serve(says("web", "5000", code=COUNTS)))
    manager.wait_for("web", "running", timeout=10)
    until(lambda: manager.logs("web", 1)[0].seq == 5000)
    page.click("[data-id=web] .open")
    page.wait_for(".lines", "line 4999")
    page.wait_for(".between.gap", "lines were dropped before they could be shown")
    for _ in range(3):
        manager.restart_process("web")
        until(lambda: manager.logs("web", 1)[0].seq % 5000 == 0)
    page.wait_for(".between", "run 4")
    until(lambda: len(page.all(".line")) <= 3000)


def test_lines_are_searched_and_copied(serve: Serve, look: Look) -> None:
    page = look(serve(says("web", "one apple", "two pears", "three \x1b[32mAPPLES\x1b[0m")))
    page.click("[data-id=web] .open")
    page.wait_for(".lines", "APPLES")
    page.type(".logs input", "apple")
    until(lambda: page.texts(".line .text") == ["one apple", "three APPLES"])
    assert page.texts(".line mark") == ["apple", "APPLE"]
    page.run("navigator.clipboard.writeText = (text) => { window.copied = text; return Promise.resolve(); }")
    page.click(".logs .tools [aria-label^=Copy]")
    page.wait_for(".toast", "Copied 2 lines.")
    assert page.run("return window.copied") == "one apple\nthree APPLES"
    page.type(".logs input", "zzz")
    page.wait_for(".nothing", "No line matches.")


def test_the_configuration_is_shown_without_its_secrets(serve: Serve, look: Look) -> None:
    page = look(serve(says("web", env={"API_KEY": "hunter2-hunter2", "COLOUR": "blue"})))
    page.click("[data-id=web] .open")
    page.click("#pm-tab-configuration")
    page.wait_for(".configuration", "COLOUR")
    page.wait_for(".secret", "hidden")
    assert "hunter2" not in page.run("return document.documentElement.outerHTML")


def test_a_process_that_is_gone_is_said_to_be(manager: Manager, serve: Serve, look: Look) -> None:
    page = look(serve(says("web", "hello")))
    page.click("[data-id=web] .open")
    page.wait_for(".lines", "hello")
    manager.remove("web")
    page.wait_for(".gone", "no longer there")
