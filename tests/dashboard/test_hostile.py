"""What children print, and what they are called and given, runs nothing."""
from __future__ import annotations

from collections.abc import Callable

from dashboard.conftest import Serve, says
from dashboard.hostile import IDS, STRINGS
from dashboard.page import Page
from support import until

from processman import Manager, ProcessConfig

Look = Callable[..., Page]
#: what a string could have made
MADE = ("script:not([src^=static]), img, iframe, object, embed, video, audio, base, form, style, template, math, "
        "link[href*=javascript], [onerror], [onload], [onclick], [onfocus]")

SEARCH = """
const search = document.querySelector('.logs input');
search.value = arguments[0];
search.dispatchEvent(new Event('input'));
"""


def test_sixty_strings_run_nothing(manager: Manager, serve: Serve, look: Look) -> None:
    """A-xss"""
    assert len(STRINGS) == 60
    clean = [text.replace("\0", "") for text in STRINGS]
    broken = [
        ProcessConfig(id=f"error-{number}", command=f"/nonexistent/{text}", cwd="/")
        for number, text in enumerate(clean) if "\n" not in text
    ]  # fmt: skip
    env = {f"V{number}": text for number, text in enumerate(clean)}
    page = look(serve(
        says("web", *clean, env=env, watch_paths=tuple(clean)),
        *(says(id, autostart=False) for id in IDS), *broken,
    ))  # fmt: skip
    page.wait_status("error-0", "failed")
    until(lambda: len(page.all(".rows .row")) == 1 + len(IDS) + len(broken))
    page.click("[data-id=web] .open")
    page.wait_for(".lines", "window.hit=1")
    until(lambda: len(page.all(".line")) >= len(STRINGS))
    assert page.all(MADE) == []
    for text in ("script", "<img", "\x1b", "\\u"):
        page.run(SEARCH, text)
    page.run(SEARCH, "")
    page.click("#pm-tab-configuration")
    page.wait_for(".configuration", "V59")
    assert page.all(MADE) == []
    for id in ("error-1", *IDS):
        page.run("document.querySelector(`[data-id='${arguments[0]}'] .open`).click()", id)
        page.wait_for(".drawer h2", id)
    assert page.run("return window.hit") is None
    assert page.all(MADE) == []
    text = page.run("return document.querySelector('[data-id=web] .what').title")
    assert STRINGS[0] in text
    assert page.run("return location.href").startswith("http://127.0.0.1")


def test_marks_that_turn_text_around_are_shown(serve: Serve, look: Look) -> None:
    page = look(serve(says("web", "safe\u202egnp.exe")))
    page.click("[data-id=web] .open")
    page.wait_for(".line .text", "safe\\u202egnp.exe")


