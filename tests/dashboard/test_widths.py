"""Both themes, from the smallest telephone to the widest desk: everything has its place.

With PROCESSMAN_SCREENSHOTS=docs/images the pictures of the documentation are taken anew.
"""
from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dashboard.conftest import Serve, says
from dashboard.page import Page
from support import child, until

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
AGENT = """
import sys, time
green, cyan, yellow, end = "\\x1b[32m", "\\x1b[36m", "\\x1b[33m", "\\x1b[0m"
print(f"{green}INFO{end}  model loaded in \\x1b[1m812 ms{end}")
print(f"{green}INFO{end}  listening on http://127.0.0.1:8001")
for n in range(1, 40):
    took = f"{97 * n % 891 + 42} ms"
    print(f"{green}INFO{end}  {cyan}POST{end} /v1/chat {green}200{end} {took}  request={n:05d}", flush=True)
    if n % 9 == 0:
        print(f"{yellow}WARN{end}  slow upstream: trying again in 0.{n} s", flush=True)
    if n % 13 == 0:
        for line in ("Traceback (most recent call last):", '  File "agent.py", line 42, in answer',
                     "TimeoutError: upstream took longer than 10 s"):
            print(line, file=sys.stderr, flush=True)
print("done", flush=True)
time.sleep(600)
"""


def processes(folder: Path) -> list[ProcessConfig]:
    """Return what an application might have beside it."""
    (folder / "agent.py").write_text(AGENT)
    (folder / "serve.py").write_text("import time\nprint('ready', flush=True)\ntime.sleep(600)\n")

    def script(id: str, name: str, *args: str, **more: Any) -> ProcessConfig:
        options: dict[str, Any] = {"cwd": str(folder), "interpreter": sys.executable, "stop_timeout": "2s"}
        return ProcessConfig(id=id, script=name, args=args, **options | more)

    return [
        script("ai-agent", "agent.py", "--model", "gpt-4o", env={"OPENAI_API_KEY": "a-secret", "LOG": "info"}),
        script("embeddings", "serve.py", "--batch", "64"),
        script("worker-default", "serve.py", "--queue", "default"),
        child("worker-mail", "exits_with.py", "1", backoff="30s"),
        script("vector-store", "serve.py", "--port", "6333"),
        child("migrate", "exits_with.py", "0", restart="on-failure"),
        child("tunnel", "exits_with.py", "3", max_retries=0),
        script("nightly-report", "serve.py", autostart=False),
        script("frontend", "serve.py", "--watch"),
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_everything_has_its_place(tmp_path: Path, serve: Serve, look: Look, size: str, theme: str) -> None:
    width, height = SIZES[size]
    page = look(serve(*processes(tmp_path)), width=width, height=height, theme=theme)
    page.wait_status("worker-mail", "crashed")
    page.wait_status("tunnel", "failed")
    until(lambda: page.texts("[data-id=ai-agent] .uptime") not in ([], ["0s"], ["1s"]))
    fits(page)
    picture(page, f"dashboard-{size}-{theme}")
    page.click("[data-id=embeddings] input")
    fits(page)
    page.click("[data-id=ai-agent] .open")
    page.wait_for(".line .text", "done")
    fits(page)
    page.run("document.querySelector('[data-id=embeddings] input').click()")
    page.wait_gone(".bulk")
    picture(page, f"dashboard-{size}-{theme}-logs")
    page.click("#pm-tab-configuration")
    fits(page)


def test_long_names_stay_within(serve: Serve, look: Look) -> None:
    page = look(serve(says("a" * 64, "b" * 5000, autostart=True)), width=360, height=740)
    page.click(".open")
    page.wait_for(".line .text", "bbb")
    fits(page)


def fits(page: Page) -> None:
    """Wait until what moves in has come to rest, and nothing is too wide."""
    until(lambda: page.run(TOO_WIDE) == [False], what=f"{page.run(TOO_WIDE)}")


def picture(page: Page, name: str) -> None:
    if folder := os.environ.get("PROCESSMAN_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.driver.save_screenshot(str(Path(folder, f"{name}.png")))
