"""The Flask integration by the test client: who comes in, where it is mounted, how it is configured."""
from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support import child, missing
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client
from wsgi.api import ROUTES, TOKEN, refusal

from processman import ConfigError, Manager
from processman.wsgi import AuthUnavailable, Identity, bearer

try:
    import flask
    from flask.testing import FlaskClient

    import processman.contrib.flask as integration
    from processman.contrib.flask import Processman
except ModuleNotFoundError as error:
    if error.name != "flask":
        raise
    missing("Flask is not installed")

OWN = {"X-Processman": "1"}
DENIED = refusal(403, "You are not allowed to perform this request.")


@pytest.fixture
def app(tmp_path: Path) -> Iterator[flask.Flask]:
    """An application with an instance folder of its own; whatever it started is stopped at the end."""
    made = flask.Flask("shop", instance_path=str(tmp_path / "instance"), root_path=str(tmp_path))
    made.secret_key = "only for tests"
    made.add_url_rule("/", "home", lambda: "the shop itself")
    yield made
    if "processman" in made.extensions:
        manager_of(made).stop()


def manager_of(app: flask.Flask) -> Manager:
    manager = app.extensions["processman"]
    assert isinstance(manager, Manager)
    return manager


def let_in(app: flask.Flask, **options: Any) -> FlaskClient:
    """Return a client of *app*, which lets everybody in and has one process, ``web``."""
    Processman(app, **{"auth": lambda: True} | options)
    manager_of(app).register(child("web", "waits.py"))
    return app.test_client()


# -- who may come in ---------------------------------------------------------------
def _raise(error: Exception) -> Any:
    raise error


@pytest.mark.parametrize(("auth", "get", "post"), [
    (lambda: True, 200, 503),
    (lambda: Identity("ann"), 200, 503),
    (lambda: Identity("ann", role="read"), 200, 403),
    (lambda: None, 401, 401),
    (lambda: False, 403, 403),
    (lambda: 1, 403, 403),
    (lambda: "ann", 403, 403),
    (object, 403, 403),
    (lambda: _raise(AttributeError("is_admin")), 403, 403),
    (lambda: flask.abort(404), 403, 403),
    (lambda: _raise(AuthUnavailable("the directory is down")), 503, 503),
    (None, 403, 403),
])
def test_what_auth_answers_decides(app: flask.Flask, auth: Any, get: int, post: int) -> None:
    """A-auth-zoo; a POST that is let in finds a manager that tests do not start: 503"""
    client = let_in(app, auth=auth)
    for method, path in ROUTES:
        expected = get if method == "GET" else post
        assert client.open(f"/api/pm{path}", method=method, headers=OWN).status_code == expected
    assert client.get("/").text == "the shop itself"


def test_without_auth_one_warning_names_the_fix(app: flask.Flask, caplog: pytest.LogCaptureFixture) -> None:
    client = let_in(app, auth=None)
    for _ in range(3):
        assert client.get("/api/pm/list").json == DENIED
    [warning] = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert "every request to /api/pm is refused" in warning
    assert "Processman(app, auth=" in warning


def test_auth_is_asked_within_the_request_and_its_session(app: flask.Flask) -> None:
    @app.before_request
    def load_user() -> None:
        flask.g.admin = flask.session.get("user") == "ann"

    @app.get("/login/<name>")
    def login(name: str) -> str:
        flask.session["user"] = name
        return name

    client = let_in(app, auth=lambda: flask.g.admin if "user" in flask.session else None)
    statuses = []
    for name in ("", "bob", "ann"):
        assert not name or client.get(f"/login/{name}").text == name
        statuses.append(client.get("/api/pm/web").status_code)
    assert statuses == [401, 403, 200]


def test_what_the_application_refuses_never_gets_to_the_api(app: flask.Flask) -> None:
    asked: list[str] = []

    @app.before_request
    def closed() -> Any:
        return ("closed for today", 418) if flask.request.blueprint == "processman" else None

    client = let_in(app, auth=lambda: asked.append("auth") or True)
    assert client.get("/api/pm/list").status_code == 418
    assert client.get("/").status_code == 200
    assert asked == []


def test_the_dashboard_is_for_everybody_where_somebody_may_come_in(app: flask.Flask) -> None:
    client = let_in(app, auth=lambda: None)
    assert client.get("/api/pm", follow_redirects=True).text.startswith("<!doctype html>")
    assert client.get("/api/pm/static/app.js").status_code == 200
    assert client.get("/api/pm/list").status_code == 401


def test_without_auth_there_is_no_dashboard(app: flask.Flask) -> None:
    Processman(app)
    assert [app.test_client().get(f"/api/pm/{path}").status_code for path in ("", "static/app.js")] == [403, 403]


def test_a_token_can_be_asked_for(app: flask.Flask) -> None:
    tokens = bearer(TOKEN)
    client = let_in(app, auth=lambda: tokens(flask.request.environ))
    good, bad = ({"Authorization": f"Bearer {token}"} for token in (TOKEN, "another-token-of-some"))
    assert [client.get("/api/pm/web", headers=sent).status_code for sent in ({}, bad, good)] == [401, 401, 200]
    assert client.post("/api/pm/nobody/stop", headers=good).json == refusal(404, "Process not found.")


@pytest.mark.parametrize(("headers", "status"), [
    ({}, 403),
    ({"Content-Type": "application/json"}, 403),
    ({"Authorization": "Basic dTpw"}, 403),
    (OWN | {"Sec-Fetch-Site": "cross-site"}, 403),
    (OWN | {"Origin": "http://evil.example"}, 403),
    (OWN, 503),
    ({"Authorization": f"Bearer {TOKEN}"}, 503),
])
@pytest.mark.parametrize("action", ["start", "stop", "restart"])
def test_a_post_proves_that_the_user_meant_it(
    app: flask.Flask, action: str, headers: dict[str, str], status: int
) -> None:
    """P13 A-csrf"""
    assert let_in(app).post(f"/api/pm/web/{action}", headers=headers).status_code == status


@pytest.mark.parametrize(("auth", "why"), [
    (bearer(TOKEN), "takes no arguments; with bearer"),
    (lambda user: True, "takes no arguments"),
    ("shop.is_admin", "takes no arguments"),
    (True, "takes no arguments"),
])
def test_an_auth_that_would_fail_at_every_request_fails_at_once(auth: Any, why: str) -> None:
    with pytest.raises(TypeError, match=why):
        Processman(auth=auth)


# -- where it is -------------------------------------------------------------------
@pytest.mark.parametrize("prefix", ["/api/pm", "/pm", "/api/pm/", "/ops/ü", "/", ""])
@pytest.mark.parametrize("outer", ["", "/outer", "/very/outer"])
def test_works_wherever_it_is_mounted(app: flask.Flask, prefix: str, outer: str) -> None:
    """P13 A-mount"""
    let_in(app, url_prefix=prefix)
    client = Client(DispatcherMiddleware(flask.Flask("host"), {outer: app}) if outer else app)
    here = outer + prefix.rstrip("/")
    assert [process["id"] for process in client.get(f"{here}/list").json] == ["web"]
    assert client.get(f"{here}/web").json["status"] == "stopped"
    assert client.get(f"{here}/web/logs?lines=5").json == []
    assert client.get(f"{here}/web/logs?lines=none").status_code == 400
    assert client.get(f"{here}/nobody").json == refusal(404, "Process not found.")
    assert client.get(f"{here}/no/such/route").json == refusal(404, "There is nothing here.")
    assert client.post(f"{here}/nobody/stop", headers=OWN).json == refusal(404, "Process not found.")


@pytest.mark.parametrize("prefix", ["/ops/ü", "/ops/ü/"])
@pytest.mark.parametrize("outer", ["", "/outer"])
def test_the_api_is_told_where_it_is(
    app: flask.Flask, monkeypatch: pytest.MonkeyPatch, outer: str, prefix: str
) -> None:
    def echo(environ: dict[str, str], start_response: Callable[..., Any]) -> list[bytes]:
        start_response("200 OK", [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
        return [f"{environ['SCRIPT_NAME']} {environ['PATH_INFO']} {environ['QUERY_STRING']}".encode("latin-1")]

    monkeypatch.setattr(integration, "create_app", lambda manager, **_: echo)
    Processman(app, url_prefix=prefix, auth=lambda: True)
    client = Client(DispatcherMiddleware(flask.Flask("host"), {outer: app}) if outer else app)
    answer = client.get(f"{outer}/ops/ü/a%20b/é?x=1")
    assert answer.text == f"{outer}/ops/ü /a b/é x=1"
    assert answer.headers.getlist("Set-Cookie") == ["a=1", "b=2"]
    assert client.get(f"{outer}/ops/ü", follow_redirects=True).text == f"{outer}/ops/ü / "


def test_other_methods_are_answered_by_the_api(app: flask.Flask) -> None:
    client = let_in(app)
    assert client.head("/api/pm/list").status_code == 200
    for method in ("PUT", "PATCH", "DELETE", "OPTIONS"):
        answer = client.open("/api/pm/web/stop", method=method, headers=OWN)
        assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
        assert answer.json == refusal(405, "The method is not allowed here.")


@pytest.mark.parametrize("prefix", ["api/pm", "/<tenant>/pm"])
def test_a_prefix_has_to_be_a_plain_path(prefix: str) -> None:
    with pytest.raises(ValueError, match="cannot use url_prefix"):
        Processman(url_prefix=prefix)


# -- how it is configured ----------------------------------------------------------
@pytest.mark.parametrize(("given", "expected"), [
    ({}, {"data_dir": "instance/pb_data", "port": 8090, "dev": False}),
    ({"data_dir": "pb_data", "port": 9000, "dev": True}, {"data_dir": "pb_data", "port": 9000, "dev": True}),
    ({"data_dir": Path("data"), "config_file": None}, {"data_dir": "data", "config_file": None}),
    ({"data_dir": "/srv/shop", "engine": "local"}, {"data_dir": "/srv/shop", "engine": "local"}),
    ({"data_dir": "data", "run_dir": "run"}, {"data_dir": "data", "run_dir": "run"}),
    ({"data_dir": "data", "run_dir": Path("/run/shop")}, {"data_dir": "data", "run_dir": "/run/shop"}),
])
def test_options_come_from_the_configuration_of_the_application(
    app: flask.Flask, tmp_path: Path, given: dict[str, Any], expected: dict[str, Any]
) -> None:
    app.config["PROCESSMAN"] = given
    let_in(app)
    config = manager_of(app).config
    expected |= {name: str(tmp_path / expected[name]) for name in ("data_dir", "run_dir") if name in expected}
    assert {name: getattr(config, name) for name in expected} == expected


BY_NAME = 'cannot configure the manager by app.config["PROCESSMAN"]: '
BY_VALUE = "cannot configure the manager: "


@pytest.mark.parametrize(("given", "message"), [
    ({"data_dri": "x"}, BY_NAME + "data_dri: unknown key; did you mean data_dir?"),
    ({"PORT": 1}, BY_NAME + "PORT: unknown key; did you mean port?"),
    ({"zzz": 1, 7: 2}, BY_NAME + "2 problems\n  zzz: unknown key\n  7: unknown key"),
    ({"port": "8090"}, BY_VALUE + "port: must be an integer from 1 to 65535"),
    ({"data_dir": ""}, BY_VALUE + "data_dir: must be a path that is not empty"),
    ({"data_dir": None}, BY_VALUE + "data_dir: must be a path that is not empty"),
    (["port"], BY_NAME + "must be a dictionary with keys of Config"),
    (None, BY_NAME + "must be a dictionary with keys of Config"),
])
def test_a_wrong_option_is_named_and_nothing_is_set_up(app: flask.Flask, given: Any, message: str) -> None:
    app.config["PROCESSMAN"] = given
    with pytest.raises(ConfigError) as caught:
        Processman(app, auth=lambda: True)
    assert str(caught.value) == message
    assert "processman" not in app.extensions
    assert app.test_client().get("/api/pm/list").status_code == 404


def test_one_extension_serves_many_applications_each_with_its_manager(tmp_path: Path) -> None:
    extension = Processman(auth=lambda: True)
    apps = [flask.Flask("shop", instance_path=str(tmp_path / name)) for name in ("one", "two")]
    for app in apps:
        extension.init_app(app)
    manager_of(apps[0]).register(child("web", "waits.py"))
    assert [len(app.test_client().get("/api/pm/list").json) for app in apps] == [1, 0]
    assert [Path(manager_of(app).config.data_dir).parent.name for app in apps] == ["one", "two"]


def test_setting_up_twice_is_an_error_that_says_why(app: flask.Flask) -> None:
    extension = Processman(app, auth=lambda: True)
    before = manager_of(app)
    with pytest.raises(RuntimeError, match="cannot set up processman twice: Processman\\(app\\) has called"):
        extension.init_app(app)
    assert manager_of(app) is before


# -- what is started ---------------------------------------------------------------
def test_tests_start_nothing(app: flask.Flask, tmp_path: Path) -> None:
    """one of the pitfalls: pytest on the application starts nothing"""
    data = tmp_path / "instance" / "pb_data"
    data.mkdir(parents=True)
    (data / "pb_processes.json").write_text("this is no JSON, and nobody reads it")
    client = let_in(app)
    assert client.get("/api/pm/web").json["status"] == "stopped"
    assert client.post("/api/pm/web/start", headers=OWN).json == refusal(503, "The process manager is not started.")


def test_processes_run_beside_the_application_and_the_api_controls_them(
    app: flask.Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROCESSMAN_AUTOSTART", "1")
    client = let_in(app)
    manager_of(app).wait_for("web", "running", timeout=10)
    first = client.get("/api/pm/web").json
    assert client.post("/api/pm/web/restart", headers=OWN).status_code == 200
    manager_of(app).wait_for("web", lambda status: status.run == 2 and status.status == "running", timeout=10)
    assert client.get("/api/pm/web").json["pid"] not in (first["pid"], None)
    assert client.post("/api/pm/web/stop", headers=OWN).json == {"message": "Process stopped", "id": "web"}
    assert client.get("/api/pm/web").json["status"] == "stopped"


def test_a_broken_file_is_logged_and_the_application_goes_on(
    app: flask.Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """F-json-zoo"""
    monkeypatch.setenv("PROCESSMAN_AUTOSTART", "1")
    data = tmp_path / "instance" / "pb_data"
    data.mkdir(parents=True)
    (data / "pb_processes.json").write_text('[{"id": "agent", "scirpt": "agent.py", "cwd": "."}]')
    Processman(app, auth=lambda: True)
    assert f"{data / 'pb_processes.json'}" in caplog.text
    assert "did you mean script?" in caplog.text
    client = app.test_client()
    assert client.get("/").text == "the shop itself"
    assert client.get("/api/pm/list").json == []
