"""Both themes, from the smallest telephone to the widest desk: everything has its place.

With PROCESSMAN_SCREENSHOTS=docs/images the pictures of the documentation are taken anew.
"""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from dashboard.conftest import Serve, says
from dashboard.page import Page
from dashboard.team import processes
from support import until

from processman import ProcessConfig

Look = Callable[..., Page]
SIZES = {"phone": (360, 740), "tablet": (820, 900), "desk": (1280, 720), "wide": (1920, 1080)}

#: what is wider than the window, though it is not meant to be scrolled
TOO_WIDE = """
const wide = [...document.querySelectorAll('.pm *')].filter((element) => {
  const box = element.getBoundingClientRect();
  const outside = box.right > innerWidth + 1 || box.left < -1;
  return box.width && outside && !element.closest('.chips, .unseen, [data-nowrap]');
});
const scrolls = document.documentElement.scrollWidth > innerWidth;
return [scrolls, ...wide.map((element) => element.outerHTML.slice(0, 120))];
"""


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_everything_has_its_place(tmp_path: Path, serve: Serve, look: Look, size: str, theme: str) -> None:
    width, height = SIZES[size]
    page = look(serve(*processes(tmp_path)), width=width, height=height, theme=theme)
    page.wait_status("worker-mail", "crashed")
    page.wait_status("tunnel", "failed")
    until(lambda: page.texts("[data-id=ai-agent] .uptime") not in ([], ["0s"], ["1s"]))
    fits(page)
    page.picture(f"dashboard-{size}-{theme}")
    page.click("[data-id=embeddings] input")
    fits(page)
    page.click("[data-id=ai-agent] .open")
    page.wait_for(".line .text", "done")
    fits(page)
    page.run("document.querySelector('[data-id=embeddings] input').click()")
    page.wait_gone(".bulk")
    page.picture(f"dashboard-{size}-{theme}-logs")
    page.click("#pm-tab-configuration")
    fits(page)


def test_long_names_stay_within(serve: Serve, look: Look) -> None:
    page = look(serve(says("a" * 64, "b" * 5000, autostart=True)), width=360, height=740)
    page.click(".open")
    page.wait_for(".line .text", "bbb")
    fits(page)


#: lines of an error that are there in part
CUT = """
return [...document.querySelectorAll('.rows .note')].map((note) => {
  const range = document.createRange();
  range.selectNodeContents(note);
  const { bottom } = note.getBoundingClientRect();
  return [...range.getClientRects()].filter((line) => line.top < bottom - 3 && line.bottom > bottom + 3).length;
});
"""


@pytest.mark.parametrize(("width", "opened"), [(360, False), (1280, True), (1280, False)])
def test_a_long_error_is_cut_between_lines(serve: Serve, look: Look, width: int, opened: bool) -> None:
    long = "/nonexistent/" + "a long name of a program " * 20
    page = look(serve(says("web"), ProcessConfig(id="bad", command=long)), width=width)
    page.wait_status("bad", "failed")
    if opened:
        page.click("[data-id=web] .open")
        page.find(".drawer")
    assert page.run(CUT) == [0, 0]
    left = "return document.querySelector(arguments[0]).getBoundingClientRect().left"
    if opened:  # the uptime is below the status
        until(lambda: page.texts("[data-id=web] .uptime") != [""])
        text = page.run("const range = document.createRange(); range.selectNodeContents(document.querySelector("
                        "'[data-id=web] .uptime')); return range.getBoundingClientRect().left")
        assert text == page.run(left, "[data-id=web] .pill")


def fits(page: Page) -> None:
    """Wait until what moves in has come to rest, and nothing is too wide."""
    until(lambda: page.run(TOO_WIDE) == [False], what=f"{page.run(TOO_WIDE)}")
