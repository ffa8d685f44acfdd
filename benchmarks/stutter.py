"""The page with 200 processes, one of which writes 1,000 lines a second, for half a minute: does it stutter?

Needs chromium, chromium-driver and selenium. Prints the longest task, how many took 50 ms and more, and the
memory of the page's heap at both ends; `--seconds N` takes another time, `--most MS` fails above that.
"""
from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from dashboard.page import Page, browser  # noqa: E402

from processman import Config, Manager, ProcessConfig  # noqa: E402
from processman.wsgi import bearer, create_app  # noqa: E402
from processman.wsgi.server import Server  # noqa: E402

TOKEN = "a-token-of-enough-bytes"
TALK = """
import sys, time
began, n = time.monotonic(), 0
while True:
    while n < (time.monotonic() - began) * 1000:
        n += 1
        print(f"\\x1b[32mINFO\\x1b[0m request {n} answered with \\x1b[36m200\\x1b[0m in {n % 97} ms")
    sys.stdout.flush()
    time.sleep(0.01)
"""
#: long tasks are those of 50 ms and more; frames tell of the shorter ones
WATCH = """
window.tasks = []; window.frames_ = [];
new PerformanceObserver((list) => tasks.push(...list.getEntries().map((entry) => entry.duration)))
  .observe({ entryTypes: ["longtask"] });
let last = performance.now();
const frame = (now) => { frames_.push(now - last); last = now; requestAnimationFrame(frame); };
requestAnimationFrame(frame);
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--most", type=float, default=float("inf"), help="milliseconds that a task may take")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        manager = Manager(Config(data_dir=folder, config_file=None))
        for number in range(199):
            manager.register(ProcessConfig(id=f"process-{number}", command="sleep", args=("600",)))
        manager.register(ProcessConfig(id="talker", command=sys.executable, args=("-c", TALK)))
        app = create_app(manager, auth=bearer(TOKEN))
        with manager, Server("127.0.0.1", 0, app) as server, browser(Path(folder, "browser")) as page:
            longest = measure(page, f"http://127.0.0.1:{server.port}/", options.seconds)
    return int(longest > options.most)


def measure(page: Page, address: str, seconds: float) -> float:
    """Look on for *seconds*; print what was seen, and return the longest task in ms."""
    page.open(address)
    page.type("#pm-token", TOKEN, "\n")
    page.wait_status("talker", "running")
    page.run("document.querySelector('[data-id=talker] .open').click()")
    page.wait_for(".line .text", "request")
    time.sleep(3)  # the page has begun
    page.run(WATCH)
    before = heap(page)
    first = newest(page)
    time.sleep(seconds)
    lines, after = newest(page) - first, heap(page)
    tasks, frames = page.run("return [tasks, frames_]")
    longest = max(tasks, default=0.0)
    frames.sort()
    print(f"seconds                {seconds:.0f}")
    print(f"lines a second         {lines / seconds:.0f}, {len(page.all('.line'))} in the page")
    print(f"longest task           {longest:.0f} ms" if tasks else "longest task           under 50 ms")
    print(f"tasks of 50 ms or more {len(tasks)}")
    half, most = frames[len(frames) // 2], frames[len(frames) * 99 // 100]
    print(f"frames                 median {half:.1f} ms, p99 {most:.1f} ms, longest {frames[-1]:.0f} ms")
    print(f"heap                   {before:.1f} MB, then {after:.1f} MB; {nodes(page)} nodes")
    return longest


def newest(page: Page) -> int:
    text = page.run("return [...document.querySelectorAll('.line .text')].at(-1).textContent")
    return int(text.split()[2])


def heap(page: Page) -> float:
    """Return the MB of the page's heap that are in use, without what only waits to be collected."""
    page.driver.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
    return float(page.driver.execute_cdp_cmd("Runtime.getHeapUsage", {})["usedSize"]) / 1e6


def nodes(page: Page) -> int:
    return int(page.driver.execute_cdp_cmd("Memory.getDOMCounters", {})["nodes"])


if __name__ == "__main__":
    sys.exit(main())
