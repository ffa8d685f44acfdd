"""The page as a person uses it: sign in, see, search, act, read what is printed, lose the connection."""
from __future__ import annotations

import http.cookies
import json
from collections.abc import Callable
from typing import Any

from dashboard.conftest import TOKEN, Serve, says
from dashboard.page import Keys, Page
from support import child, until

from processman import Manager
from processman.contrib import csrf
from processman.wsgi import Identity, bearer

Look = Callable[..., Page]
FOCUS = "return document.activeElement.textContent + ' ' + document.activeElement.tagName"
SLOW_STOP = (
    "import signal, sys, time\nprint('ready', flush=True)\n"
    "signal.signal(signal.SIGTERM, lambda *_: (time.sleep(1), sys.exit()))\ntime.sleep(600)"
)


def test_a_person_signs_in_once(serve: Serve, look: Look) -> None:
    page = look(serve(says("web")), token="")
    page.type("#pm-token", "not-the-token-of-this", "\n")
    page.wait_for(".complaint", "not accepted")
    page.type("#pm-token", TOKEN, "\n")
    page.wait_status("web", "running")
    page.driver.refresh()
    page.wait_status("web", "running")
    assert TOKEN not in page.driver.current_url
    assert page.run("return [localStorage.length, document.cookie]") == [0, ""]
    page.click(".leave")
    assert page.find("#pm-token").get_attribute("value") == ""
    assert page.run("return sessionStorage.length") == 0


def test_a_session_of_the_host_needs_no_token(manager: Manager, serve: Serve, look: Look) -> None:
    def logged_in(environ: dict[str, Any]) -> bool | None:
        cookies = http.cookies.SimpleCookie(environ.get("HTTP_COOKIE", ""))
        return "session" in cookies or None

    address = serve(says("web"), auth=logged_in, around=csrf.protect)
    page = look(address, token="")
    page.find("#pm-token")
    page.driver.add_cookie({"name": "session", "value": "of-ann"})
    page.driver.refresh()
    page.wait_status("web", "running")
    assert not page.shown(".leave")
    page.click("[data-id=web] .button.restart")
    manager.wait_for("web", lambda status: status.run == 2, timeout=10)


def test_every_process_is_shown_with_what_is_known_of_it(manager: Manager, serve: Serve, look: Look) -> None:
    page = look(serve(
        says("web"), child("crashing", "exits_with.py", 3, backoff="1h"), says("idle", autostart=False),
        child("broken", "exits_with.py", 4, max_retries=0), child("done", "exits_with.py", 0, restart="on-failure"),
    ))  # fmt: skip
    for id, status in {"web": "running", "crashing": "crashed", "idle": "stopped", "broken": "failed",
                       "done": "exited"}.items():  # fmt: skip
        page.wait_status(id, status)
    assert page.texts("[data-id=web] .pid") == [str(manager.status("web").pid)]
    page.wait_for("[data-id=crashing] .note", "exit code 3 · retry in 2")
    retry = page.texts("[data-id=crashing] .note")
    until(lambda: page.texts("[data-id=crashing] .note") != retry)
    page.wait_for("[data-id=broken] .note", "exit code 4")
    first = page.texts("[data-id=web] .uptime")
    until(lambda: page.texts("[data-id=web] .uptime") != first)
    counts = dict(text.split("\n")[::-1] for text in page.texts(".chip"))
    assert counts == {"All": "5", "running": "1", "crashed": "1", "failed": "1", "exited": "1", "stopped": "1"}
    manager.register(says("late"))
    page.wait_status("late", "running")
    manager.remove("web")
    page.wait_gone("[data-id=web]")


def test_what_is_searched_and_filtered_is_shown_alone(serve: Serve, look: Look) -> None:
    page = look(serve(says("web"), says("worker-1", "--queue=mail"), says("worker-2", autostart=False)))
    page.wait_status("web", "running")
    page.press("/")
    page.press("work")
    assert page.texts(".rows .open") == ["worker-1", "worker-2"]
    page.click(".chip[data-status=stopped]")
    assert page.texts(".rows .open") == ["worker-2"]
    page.press("zzz")  # a chip has the focus
    page.click(".chip[data-status=running]")
    page.type(".head input", " mail")
    assert page.texts(".rows .open") == ["worker-1"]
    page.type(".head input", "x")
    page.wait_for(".empty", "Nothing matches")
    page.click(".empty .button")
    assert page.texts(".rows .open") == ["web", "worker-1", "worker-2"]


def test_nothing_at_all_is_said(serve: Serve, look: Look) -> None:
    page = look(serve())
    page.wait_for(".empty", "No processes yet")
    page.wait_for(".empty", "restart the application or PocketBase")
    page.click(".language")
    page.wait_for(".empty", "重启应用或 PocketBase")
    assert not page.shown(".empty .button")


def test_actions_show_what_is_under_way(manager: Manager, serve: Serve, look: Look) -> None:
    page = look(serve(says("web", code=SLOW_STOP)))
    page.click("[data-id=web] .open")
    page.wait_for(".lines", "ready")
    page.click("[data-id=web] .button.restart")
    page.wait_status("web", "restarting")
    page.wait_status("web", "running")
    assert manager.status("web").run == 2
    page.wait_for(".between", "run 2")
    page.click(".drawer .button.stop")
    page.wait_status("web", "stopping")
    page.wait_status("web", "stopped")
    page.click("[data-id=web] .button.start")
    page.wait_status("web", "running")


def test_who_may_only_read_is_told_so(serve: Serve, look: Look) -> None:
    tokens = bearer(TOKEN)
    page = look(serve(says("web"), auth=lambda environ: tokens(environ) and Identity("rea", "read")))
    page.click("[data-id=web] .button.stop")
    page.wait_for(".toast.bad", "web: You are not allowed to perform this request.")
    page.wait_status("web", "running")


def test_what_the_server_says_to_a_refusal_is_said(serve: Serve, look: Look) -> None:
    why = "PocketBase is not stopped from here: end processman itself."

    def keeps_web(app: Any) -> Any:
        def application(environ: dict[str, Any], start_response: Any) -> Any:
            if environ["PATH_INFO"] != "/web/stop":
                return app(environ, start_response)
            start_response("409 Conflict", [("Content-Type", "application/json")])
            return [json.dumps({"status": 409, "message": why, "data": {}}).encode()]

        return application

    page = look(serve(says("web"), says("worker"), around=keeps_web))
    page.wait_status("worker", "running")
    page.click("[data-id=web] .button.stop")
    page.wait_for(".toast.bad", f"web: {why}")
    page.wait_status("web", "running")
    page.click("[data-id=web] input")
    page.click("[data-id=worker] input")
    page.click(".bulk .stop")
    page.click(".dialog .stop")
    page.wait_for(".toast.bad", f"1 done, 1 not: web: {why}")
    page.wait_status("worker", "stopped")
    assert page.status("web") == "running"


def test_many_are_stopped_after_a_question(manager: Manager, serve: Serve, look: Look) -> None:
    page = look(serve(*(says(f"web-{number}") for number in range(12))))
    page.wait_status("web-11", "running")
    page.click("[data-id=web-1] input")
    page.run("document.querySelector('[data-id=web-10] input').dispatchEvent("
             "new MouseEvent('click', {shiftKey: true, bubbles: true}))")
    page.wait_for(".bulk", "10 selected")
    page.type(".head input", "web-10")
    page.wait_for(".bulk", "10 selected, 9 not shown")
    page.resize(360, 740)
    fits = ("const bar = document.querySelector('.bulk'), box = bar.getBoundingClientRect();"
            "return box.left >= 0 && box.right <= innerWidth && bar.scrollWidth <= box.width")
    assert page.run(fits)
    page.resize(1280, 800)
    page.type(".head input", Keys.ESCAPE)
    page.wait_for(".bulk", "10 selected")
    page.click(".bulk .stop")
    page.wait_for(".dialog", "Stop 10 processes?")
    page.wait_for(".dialog", "and 3 more")
    page.press(Keys.ESCAPE)
    page.wait_gone(".dialog")
    page.click(".bulk .stop")
    page.click(".dialog .stop")
    page.wait_for(".toast", "Done, 10 of 10.")
    page.wait_gone(".bulk")
    assert [status.id for status in manager.list() if status.status == "running"] == ["web-0", "web-11"]
    page.wait_for(".chip[data-status=stopped]", "10")
    page.click("[data-id=web-0] input")
    page.click(".bulk .stop")
    page.wait_for(".dialog", "Stop web-0?")
    page.click(".dialog .answers .button")
    page.wait_gone(".dialog")
    assert manager.status("web-0").status == "running"


def test_a_lost_connection_is_said_and_comes_back(manager: Manager, serve: Serve, look: Look) -> None:
    page = look(serve(says("web", "one")))
    page.click("[data-id=web] .open")
    page.wait_for(".lines", "one")
    page.offline(True)
    page.wait_for(".notice", "Connection lost.")
    page.wait_for(".live", "Offline")
    assert page.status("web") == "running"  # what was known stays to be seen
    manager.restart_process("web")
    page.offline(False)
    page.wait_for(".toast", "Connected again.")
    page.wait_gone(".notice")
    page.wait_for(".between", "run 2")


def test_a_lost_connection_is_said_where_the_drawer_covers_the_list(serve: Serve, look: Look) -> None:
    page = look(serve(says("web", "one"), child("bad", "exits_with.py", 3, backoff="1h")), width=360, height=740)
    page.wait_status("bad", "crashed")
    page.click("[data-id=web] .open")
    page.wait_for(".lines", "one")
    page.offline(True)
    page.wait_for(".side .notice", "Connection lost.")
    times = "return [...document.querySelectorAll('.uptime, .note, .facts dd')].map((each) => each.textContent)"
    hint = page.texts(".side .notice")
    stood = page.run(times)
    until(lambda: page.texts(".side .notice") != hint)  # this one counts
    for _ in range(3):
        hint = page.texts(".side .notice")
        until(lambda: page.texts(".side .notice") != hint)  # noqa: B023
    assert page.run(times) == stood
    page.offline(False)
    page.wait_gone(".notice")
    until(lambda: page.run(times) != stood)


def test_the_keyboard_is_enough(serve: Serve, look: Look) -> None:
    page = look(serve(says("web", "hello"), says("worker", "there")))
    page.wait_status("worker", "running")
    page.press("/", Keys.TAB)
    until(lambda: page.run("return document.activeElement.matches('button')"))
    page.run("document.querySelector('[data-id=web] .open').focus()")
    page.press(Keys.ARROW_DOWN, Keys.ENTER)
    page.wait_for(".drawer h2", "worker")
    page.wait_for(".lines", "there")
    assert page.run(FOCUS) == "worker H2"
    page.press(Keys.ESCAPE)
    page.wait_gone(".drawer")
    assert page.run(FOCUS) == "worker BUTTON"
    page.press(Keys.ENTER)
    page.find(".drawer")
    page.run("document.querySelector('#pm-tab-logs').focus()")
    page.press(Keys.ARROW_RIGHT)
    page.wait_for(".configuration", "Environment")
    page.press(Keys.ESCAPE)
    page.wait_gone(".drawer")
    assert page.run(FOCUS) == "worker BUTTON"


def test_escape_closes_one_thing_at_a_time(serve: Serve, look: Look) -> None:
    page = look(serve(says("web", "hello")))
    page.click("[data-id=web] .open")
    page.click("[data-id=web] input")
    page.click(".bulk .stop")
    page.find(".dialog")
    page.press(Keys.ESCAPE)
    page.wait_gone(".dialog")
    page.type(".logs input", "hell")
    page.press(Keys.ESCAPE)
    until(lambda: page.run("return document.querySelector('.logs input').value") == "")
    assert page.shown(".drawer")
    page.press(Keys.ESCAPE)
    page.wait_gone(".drawer")


def test_the_keyboard_stays_in_a_drawer_that_covers_the_list(serve: Serve, look: Look) -> None:
    page = look(serve(says("web", "hello")), width=360, height=740)
    page.click("[data-id=web] .open")
    page.wait_for(".lines", "hello")
    inside = "return document.querySelector('.side').contains(document.activeElement)"
    for _ in page.all("button, input"):
        page.press(Keys.TAB)
        assert page.run(f"{inside} || document.activeElement === document.body")
    page.press(Keys.ESCAPE)
    page.wait_gone(".drawer")
    assert page.run(FOCUS) == "web BUTTON"
    page.click("[data-id=web] .open")
    page.find(".drawer")
    page.resize(1280, 800)
    until(lambda: not page.all("[inert]"))


def test_every_control_has_a_name_for_who_cannot_see_it(serve: Serve, look: Look) -> None:
    page = look(serve(says("web", "hello")))
    page.click("[data-id=web] .open")
    page.wait_for(".lines", "hello")
    tree = page.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    controls = {"button", "checkbox", "searchbox", "tab", "table", "dialog", "log", "textbox"}
    found = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in tree
             if node.get("role", {}).get("value") in controls]  # fmt: skip
    assert {role for role, _ in found} >= controls - {"textbox"}
    assert [role for role, name in found if not name] == []


def test_it_speaks_two_languages_and_remembers(serve: Serve, look: Look) -> None:
    page = look(serve(child("web", "exits_with.py", 3, max_retries=0)))
    page.click("[data-id=web] .open")
    page.click(".language")
    page.wait_status("web", "已失败")
    page.wait_for(".drawer .pill", "已失败")  # what was open stays open
    page.wait_for("[data-id=web] .note", "退出码 3")
    page.driver.refresh()
    page.wait_status("web", "已失败")
    assert page.run("return document.documentElement.lang") == "zh-Hans"


def test_the_theme_is_the_systems_until_one_is_chosen(serve: Serve, look: Look) -> None:
    page = look(serve(says("web", "hello")), theme="dark")
    page.click("[data-id=web] .open")
    page.wait_for(".lines", "hello")
    page.run("window.line = document.querySelector('.line')")
    theme = "return document.querySelector('.pm').dataset.theme"
    assert page.run(theme) == "dark"
    page.click(".theme")
    assert page.run(theme) == "light"
    assert page.run("return window.line.isConnected")
    page.driver.refresh()
    page.wait_status("web", "running")
    assert page.run(theme) == "light"
