"""The same files as a page of PocketBase's own dashboard: the real binary, with the hook that is installed."""
from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dashboard.page import Page
from dashboard.team import described
from pocketbase_project import Project
from pocketbase_server import EMAIL, PASSWORD
from support import ROOT, until

FILES = ROOT / "processman" / "dashboard"
#: takes the page away, as in versions whose dashboard takes none; last, for files of hooks come in no order
OLD = "$app.onServe().bind({id: 'old', priority: 1, func: (e) => { e.uiExtensions = []; e.next() }})"
#: where PocketBase's dashboard keeps its session: now, and before version 0.37
KEYS = ("__pb_superusers__/_", "__pb_superuser_auth__")

Look = Callable[..., Page]


@pytest.fixture
def project(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Project]:
    """A PocketBase that serves, with our hook and further ones, and a copy of the page in its public folder."""
    made = Project(tmp_path / "site")
    public = made.directory / "pb_public" / "pm"
    shutil.copytree(FILES, public)
    (public / "public.html").rename(public / "index.html")
    made.install()
    (made.hook.parent / "z.pb.js").write_text(getattr(request, "param", ""))
    made.write(*described(tmp_path))
    made.command("superuser", "upsert", EMAIL, PASSWORD)
    made.start("--publicDir", "pb_public")
    yield made
    made.end()


@pytest.fixture
def page(project: Project, look: Look) -> Page:
    """Sign in to PocketBase, and go to the page by its link."""
    page = look(f"{project.url}/_/", token="")
    sign_in(page)
    page.click("a[href='#/processes']")
    page.find(".processman")
    page.host = ".processman"
    return page


def sign_in(page: Page) -> None:
    page.type("input[name=identity]", EMAIL)
    page.type("input[type=password]", PASSWORD, "\n")
    page.find(".logged-user")


def test_a_superuser_sees_acts_and_reads(page: Page, project: Project) -> None:
    page.wait_status("ai-agent", "running")
    assert re.match("Processes", page.driver.title)
    page.click("[data-id=ai-agent] .open")
    page.wait_for(".line .text", "done")
    assert "POST" in page.texts(".line .fg-cyan")
    page.picture("dashboard-pocketbase")
    page.click("[data-id=ai-agent] .button.restart")
    page.wait_for(".between", "run 2")
    assert project.status("ai-agent", project.sign_in())["run"] == 2
    page.click("[data-id=ai-agent] input")
    page.click("[data-id=nightly-report] input")
    page.click(".bulk .start")
    page.click(".dialog .start")
    page.wait_status("nightly-report", "running")
    page.click("[data-id=ai-agent] .button.stop")
    page.wait_status("ai-agent", "stopped")
    assert page.find(".pm").size["width"] == 1280


def test_lines_come_as_they_are_written(page: Page) -> None:
    """The way of a line is long: manager, hook, PocketBase, page."""
    page.click("[data-id=frontend] .open")
    page.wait_for(".line .text", "ready")
    for run in (2, 3):
        page.click("[data-id=frontend] .button.restart")
        page.wait_for(".between", f"run {run}")
        until(lambda run=run: page.texts(".line .text") == ["ready"] * run)


def test_many_are_stopped_at_once(page: Page, project: Project) -> None:
    page.wait_status("ai-agent", "running")
    page.type("[type=search]", "worker")
    for id in ("worker-default", "worker-mail"):
        page.click(f"[data-id={id}] input")
    page.click(".bulk .stop")
    page.click(".dialog .stop")
    for id in ("worker-default", "worker-mail"):
        page.wait_status(id, "stopped")
    token = project.sign_in()
    assert project.status("worker-default", token)["pid"] is None
    assert project.status("ai-agent", token)["status"] == "running"


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


def test_what_keeps_the_manager_from_starting_is_said(tmp_path: Path, look: Look) -> None:
    made = Project(tmp_path / "site")
    try:
        made.install()
        made.write({"id": "web", "comand": "sleep"})
        made.command("superuser", "upsert", EMAIL, PASSWORD)
        made.serve()
        until(made.is_healthy, 20)
        page = look(f"{made.url}/_/", token="")
        sign_in(page)
        page.click("a[href='#/processes']")
        page.find(".processman")
        page.host = ".processman"
        page.wait_for(".notice", "The process manager cannot start.")
        page.wait_for(".notice .why", " problems\n")
        assert page.texts(".live") == ["Not available"]
        assert page.shown(".chip, .empty, .table") == []
        made.write()
        page.wait_for(".empty", "No processes yet")
        page.wait_gone(".notice")
    finally:
        made.end()


def test_signed_out_is_signed_out(page: Page) -> None:
    page.wait_status("ai-agent", "running")
    page.host = ""
    page.run("app.pb.authStore.save('not-a-token', {id: 'x'})")
    page.find("input[name=identity]")


@pytest.mark.parametrize("path", ["/_processman/", "/pm/"])
def test_the_page_outside_leads_to_the_dashboards(path: str, project: Project, look: Look) -> None:
    page = look(f"{project.url}{path}", token="")
    page.find("input[name=identity]")
    assert page.driver.current_url.startswith(f"{project.url}/_/")


@pytest.mark.parametrize("project", [OLD], indirect=True)
@pytest.mark.parametrize(("path", "key"), [
    ("/_processman/", KEYS[0]), ("/_processman/", KEYS[1]), ("/pm/", KEYS[0]),
])  # fmt: skip
def test_the_page_outside_is_the_page_where_the_dashboard_takes_none(
    project: Project, look: Look, path: str, key: str
) -> None:
    page = look(f"{project.url}{path}", token="")
    page.click("a.button")
    sign_in(page)
    page.run("const kept = localStorage.getItem('__pb_superusers__/_'); localStorage.clear();"
             "localStorage.setItem(arguments[0], kept)", key)
    page.open(f"{project.url}{path}")
    page.wait_status("ai-agent", "running")
    page.click("[data-id=ai-agent] .button.stop")
    page.wait_status("ai-agent", "stopped")


def test_the_files_are_for_everybody_and_the_api_is_not(project: Project) -> None:
    assert project.ask("GET", "/api/pm/list").status == 401
    for path in ("/_/extensions/processman/pocketbase.js", "/_processman/public.js", "/_processman/"):
        assert project.ask("GET", path).status == 200
    for path in ("/_processman/..%2fpy.typed", "/_processman/%2fetc%2fpasswd", "/_processman/none.js"):
        assert project.ask("GET", path).status == 404
