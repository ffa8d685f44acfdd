"""The same files as a page of PocketBase's own dashboard, in the real binary."""
from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from dashboard.conftest import TOKEN, Serve
from dashboard.page import Page
from dashboard.team import processes
from support import ROOT, TESTDATA, missing, until

from processman import Manager

EMAIL, PASSWORD = "admin@example.com", "1234567890"
FILES = ROOT / "processman" / "dashboard"
HOOK = TESTDATA / "pocketbase" / "dashboard.pb.js"

Look = Callable[..., Page]


def binary() -> str:
    found = shutil.which("pocketbase", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if found is None:
        missing("pocketbase is not installed")
    return str(found)


class PocketBase:
    """A server of its own in *folder*."""

    def __init__(self, folder: Path, manager: str, **more: str) -> None:
        self.log = folder / "log"
        data = ["--dir", str(folder / "pb_data")]
        upsert = [binary(), "superuser", "upsert", EMAIL, PASSWORD, *data]
        subprocess.run(upsert, check=True, stdout=subprocess.DEVNULL)
        (folder / "pb_hooks").mkdir()
        shutil.copytree(FILES, folder / "pb_public" / "pm")
        (folder / "pb_public" / "pm" / "public.html").rename(folder / "pb_public" / "pm" / "index.html")
        shutil.copy(HOOK, folder / "pb_hooks")
        env = {**os.environ, "PM_URL": manager.rstrip("/"), "PM_TOKEN": TOKEN,
               "PM_DASHBOARD": str(FILES)} | more  # fmt: skip
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [binary(), "serve", "--http", "127.0.0.1:0", "--hooksDir", str(folder / "pb_hooks"),
                 "--publicDir", str(folder / "pb_public"), *data],
                env=env, stdout=log, stderr=log, cwd=folder,
            )  # fmt: skip
        self.address = until(self._address, what="the start of PocketBase")

    def _address(self) -> str:
        """Return where it listens; of port 0 it says nothing, so the kernel is asked."""
        if "Server started" not in self.log.read_text():
            return ""
        inodes = {os.readlink(path) for path in Path(f"/proc/{self.process.pid}/fd").iterdir()}
        for line in Path(f"/proc/{self.process.pid}/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes:
                return f"http://127.0.0.1:{int(fields[1].split(':')[1], 16)}"
        return ""

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(15)


@pytest.fixture
def pocketbase(request: pytest.FixtureRequest, tmp_path: Path, serve: Serve) -> Iterator[PocketBase]:
    folder = tmp_path / "pocketbase"
    folder.mkdir()
    address = serve(*processes(tmp_path))
    made = PocketBase(folder, address, **getattr(request, "param", {}))
    yield made
    made.end()


@pytest.fixture
def page(pocketbase: PocketBase, look: Look) -> Page:
    """Sign in to PocketBase, and go to the page by its link."""
    page = look(f"{pocketbase.address}/_/", token="")
    page.type("input[name=identity]", EMAIL)
    page.type("input[type=password]", PASSWORD, "\n")
    page.click("a[href='#/processes']")
    page.find(".processman")
    page.host = ".processman"
    return page


def test_a_superuser_sees_acts_and_reads(page: Page, manager: Manager) -> None:
    page.wait_status("ai-agent", "running")
    assert re.match("Processes", page.driver.title)
    page.click("[data-id=ai-agent] .open")
    page.wait_for(".line .text", "done")
    assert "POST" in page.texts(".line .fg-cyan")
    page.picture("dashboard-pocketbase")
    page.click("[data-id=ai-agent] .button.restart")
    page.wait_for(".between", "run 2")
    assert manager.status("ai-agent").run == 2
    page.click("[data-id=ai-agent] input")
    page.click("[data-id=nightly-report] input")
    page.click(".bulk .start")
    page.click(".dialog .start")
    page.wait_status("nightly-report", "running")
    page.click("[data-id=ai-agent] .button.stop")
    page.wait_status("ai-agent", "stopped")
    assert page.find(".pm").size["width"] == 1280


def test_it_follows_the_theme_of_the_dashboard(page: Page) -> None:
    page.wait_status("ai-agent", "running")
    theme = "return document.querySelector('.processman').shadowRoot.querySelector('.pm').dataset.theme"
    for scheme in ("dark", "light"):
        page.run("document.documentElement.dataset.colorScheme = arguments[0]", scheme)
        until(lambda: page.run(theme) == scheme)  # noqa: B023


def test_who_leaves_the_page_asks_no_more(page: Page) -> None:
    page.wait_status("ai-agent", "running")
    page.click("[data-id=ai-agent] .open")
    page.wait_for(".lines", "loaded")
    page.run("window.asked = 0; const { fetch } = window; window.fetch = (...all) => {"
             "window.asked += String(all[0]).includes('/api/pm/'); return fetch(...all); }")
    until(lambda: page.run("return window.asked") > 1)
    page.host = ""
    page.click("a[href='#/collections']")
    page.wait_gone(".processman")
    # it lets go within a second; then for longer than it ever rests it has nothing to ask
    page.run("setTimeout(() => { window.asked = 0; setTimeout(() => { window.left = window.asked }, 3000) }, 1500)")
    assert until(lambda: page.run("return window.left ?? null") is not None)
    assert page.run("return window.left") == 0


def test_signed_out_is_signed_out(page: Page, pocketbase: PocketBase) -> None:
    page.wait_status("ai-agent", "running")
    page.host = ""
    page.run("app.pb.authStore.save('not-a-token', {id: 'x'})")
    page.find("input[name=identity]")


def test_the_public_page_leads_to_the_dashboards(pocketbase: PocketBase, look: Look) -> None:
    page = look(f"{pocketbase.address}/pm/", token="")
    page.find("input[name=identity]")
    assert page.driver.current_url.startswith(f"{pocketbase.address}/_/")


@pytest.mark.parametrize("pocketbase", [{"PM_OLD": "1"}], indirect=True)
@pytest.mark.parametrize("key", ["__pb_superusers__/_", "__pb_superuser_auth__"])
def test_the_public_page_is_the_page_where_the_dashboard_takes_none(
    pocketbase: PocketBase, look: Look, key: str
) -> None:
    page = look(f"{pocketbase.address}/pm/", token="")
    page.click("a.button")
    page.type("input[name=identity]", EMAIL)
    page.type("input[type=password]", PASSWORD, "\n")
    page.find(".logged-user")
    page.run("const kept = localStorage.getItem('__pb_superusers__/_'); localStorage.clear();"
             "localStorage.setItem(arguments[0], kept)", key)
    page.open(f"{pocketbase.address}/pm/")
    page.wait_status("ai-agent", "running")
    page.click("[data-id=ai-agent] .button.stop")
    page.wait_status("ai-agent", "stopped")


def test_nobody_else_gets_to_the_api(pocketbase: PocketBase) -> None:
    from urllib.error import HTTPError
    from urllib.request import urlopen

    def status(path: str) -> Any:
        try:
            with urlopen(pocketbase.address + path) as answer:
                return answer.status
        except HTTPError as error:
            error.close()
            return error.code

    assert status("/api/pm/list") == 401
    assert status("/_/extensions/processman/pocketbase.js") == 200  # the files hold no secret
