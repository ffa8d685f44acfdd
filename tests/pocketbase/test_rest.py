"""The REST section of the seed through PocketBase, as both of its SDKs speak to it."""
from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pocketbase_project import Project
from pocketbase_server import EMAIL, PASSWORD
from support import missing, require, until

NO_TOKEN = "The request requires valid record authorization token."
NOT_ALLOWED = "The authorized record is not allowed to perform this action."
NOWHERE = "The requested resource wasn't found."
ROUTES = [("GET", "/list"), ("GET", "/web"), ("GET", "/web/logs"), ("POST", "/web/start"), ("POST", "/web/restart"),
          ("POST", "/web/stop")]  # fmt: skip
#: who asks, for what, and what is answered: the status, and the message if there is one
CALLS: list[tuple[str, str, str, int, str]] = [
    *((who, method, path, status, message) for method, path in ROUTES for who, status, message in (
        ("nobody", 401, NO_TOKEN), ("garbage", 401, NO_TOKEN), ("user", 403, NOT_ALLOWED))),
    ("superuser", "GET", "/list", 200, ""),
    ("superuser", "GET", "/web", 200, ""),
    ("superuser", "GET", "/web/logs?lines=1", 200, ""),
    ("superuser", "POST", "/web/start", 400, "Process is already running."),
    ("superuser", "POST", "/web/restart", 200, "Process restart initiated"),
    ("superuser", "POST", "/web/stop", 200, "Process stopped"),
    ("superuser", "POST", "/web/stop", 200, "Process stopped"),
    ("superuser", "POST", "/web/start", 200, "Process start initiated"),
    ("superuser", "GET", "/nobody", 404, "Process not found."),
    ("superuser", "GET", "/nobody/logs", 404, "Process not found."),
    ("superuser", "POST", "/nobody/start", 404, "Process not found."),
    ("superuser", "GET", "/web/logs?lines=0", 400, "Lines must be a number from 1 to 1000, given once."),
    ("superuser", "GET", "/web/nothing/here", 404, NOWHERE),
    ("superuser", "GET", "/", 404, NOWHERE),
    ("superuser", "GET", "/static/app.js", 404, NOWHERE),
    ("superuser", "POST", "/list", 404, NOWHERE),
    ("superuser", "DELETE", "/web", 404, NOWHERE),
    ("nobody", "GET", "/nobody", 401, NO_TOKEN),
]
Heard = list[tuple[int, str]]

JAVASCRIPT = """
const PocketBase = require("pocketbase/cjs")
const [url, email, password, calls] = JSON.parse(process.argv[1])
async function client(who) {
  const made = new PocketBase(url)
  made.autoCancellation(false)
  if (who === "superuser") await made.collection("_superusers").authWithPassword(email, password)
  if (who === "user") await made.collection("users").authWithPassword(email, password)
  if (who === "garbage") made.authStore.save("garbage.of.mine", null)
  return made
}
async function main() {
  const clients = {}
  for (const who of ["superuser", "user", "garbage", "nobody"]) clients[who] = await client(who)
  const heard = []
  for (const [who, method, path] of calls) {
    try {
      heard.push([200, (await clients[who].send("/api/pm" + path, {method})).message || ""])
    } catch (error) {
      heard.push([error.status, error.response.message])
    }
  }
  console.log(JSON.stringify(heard))
}
main()
"""


def by_python(url: str) -> Heard:
    try:
        from pocketbase.client import Client, ClientResponseError
    except ImportError:
        missing("the Python SDK is not installed (pip install pocketbase)")
    clients = {who: Client(url) for who in ("superuser", "user", "garbage", "nobody")}
    clients["superuser"].collection("_superusers").auth_with_password(EMAIL, PASSWORD)
    clients["user"].collection("users").auth_with_password(EMAIL, PASSWORD)
    clients["garbage"].auth_store.save("garbage.of.mine", None)

    def ask(who: str, method: str, path: str) -> tuple[int, str]:
        try:
            found: Any = clients[who].send(f"/api/pm{path}", {"method": method})
        except ClientResponseError as error:
            return error.status, error.data["message"]
        return 200, found.get("message", "") if isinstance(found, dict) else ""

    try:
        return [ask(who, method, path) for who, method, path, *_ in CALLS]
    finally:
        for client in clients.values():
            client.http_client.close()


def by_javascript(url: str) -> Heard:
    node = require("node")
    if subprocess.run([node, "-e", 'require.resolve("pocketbase/cjs")'], capture_output=True).returncode:
        missing("the JavaScript SDK is not installed (npm install pocketbase, NODE_PATH)")
    told = json.dumps([url, EMAIL, PASSWORD, [call[:3] for call in CALLS]])
    done = subprocess.run([node, "-e", JAVASCRIPT, "--", told], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return [(status, message) for status, message in json.loads(done.stdout)]


@pytest.mark.parametrize("speak", [by_python, by_javascript])
def test_the_sdks_get_what_the_seed_says(speak: Callable[[str], Heard], project: Project) -> None:
    project.write(project.child("web"))
    project.start()
    project.superuser()
    project.user()
    until(lambda: project.starts("web"))
    assert speak(project.url) == [(status, message) for *_, status, message in CALLS]


def test_a_list_is_what_the_seed_shows(project: Project) -> None:
    project.write(project.child("web", env={"API_KEY": "s3cret-value"}), project.child("idle", autostart=False))
    project.start()
    token = project.superuser()
    web, idle = project.ask("GET", "/api/pm/list", token).json
    assert (web["id"], web["status"], idle["status"], idle["pid"]) == ("web", "running", "stopped", None)
    assert web["config"]["env"] == {
        "API_KEY": "****", "PB_PORT": str(project.port), "PB_DATA_DIR": str(project.data),
    }  # fmt: skip
    until(lambda: project.starts("web"))
    assert project.starts("web") == [web["pid"]]
    lines = until(lambda: project.ask("GET", "/api/pm/web/logs?lines=1", token).json)
    assert (lines[0]["processId"], lines[0]["stream"], lines[0]["content"]) == ("web", "stdout", "ready")


def test_a_call_may_wait_for_lines(project: Project) -> None:
    project.write(project.child("web"))
    project.start()
    token = project.superuser()
    logs = "/api/pm/web/logs?after={next}&epoch={epoch}&wait=20"
    news = project.ask("GET", logs.format(next=0, epoch=""), token).json
    assert [line["content"] for line in news["items"]] == ["ready"]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(project.ask, "GET", logs.format(**news), token)
        assert project.ask("POST", "/api/pm/web/restart", token).status == 200
        assert waiting.result().json["items"]


def test_children_see_where_pocketbase_really_is(project: Project) -> None:
    project.write(project.script("web", "prints_environment.py"))
    project.start()
    token = project.superuser()
    text = until(lambda: "PB_DATA_DIR" in (text := project.ask("GET", "/api/pm/web/logs", token).text) and text)
    assert str(project.data) in text
    assert f"{project.port}" in text


def test_no_route_of_the_hook_answers_a_stranger(project: Project) -> None:
    project.start()
    token = project.superuser()
    for secret in ("", "garbage", token):
        answer = project.ask("POST", "/_processman/lines", secret, {"lines": [[0, "forged", "web", "STDOUT"]]})
        assert (answer.status, answer.json["message"]) == (404, NOWHERE)
    assert not project.rows(token, "message='forged'")
    home = project.data / ".processman"
    assert home.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in home.iterdir() if path.is_file()} == {0o600}
