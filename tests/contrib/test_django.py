"""The Django integration by the test client: who comes in, where it is mounted, what the checks say."""
from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from support import child, missing
from wsgi.api import ROUTES, TOKEN, refusal

from processman import ConfigError, Manager
from processman.wsgi import AuthUnavailable, Identity

try:
    import django
    from django.conf import settings as django_settings
except ModuleNotFoundError:
    missing("Django is not installed")

AUTH_MIDDLEWARE = "django.contrib.auth.middleware.AuthenticationMiddleware"
CSRF_MIDDLEWARE = "django.middleware.csrf.CsrfViewMiddleware"
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    CSRF_MIDDLEWARE,
    AUTH_MIDDLEWARE,
]
if not django_settings.configured:
    django_settings.configure(
        SECRET_KEY="only for tests", ALLOWED_HOSTS=["testserver"], MIDDLEWARE=MIDDLEWARE,
        BASE_DIR=Path(__file__).parent / "nowhere", ROOT_URLCONF="no.urls", DATABASES={"default": {
            "ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        INSTALLED_APPS=["processman.contrib.django", "django.contrib.auth", "django.contrib.contenttypes",
                        "django.contrib.sessions"],
        SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    )  # fmt: skip
    django.setup()

from asgiref.sync import async_to_sync  # noqa: E402
from django.contrib.auth.middleware import AuthenticationMiddleware  # noqa: E402
from django.contrib.auth.models import AnonymousUser, User  # noqa: E402
from django.core import checks  # noqa: E402
from django.core.handlers.asgi import ASGIRequest  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import OperationalError, connections  # noqa: E402
from django.http import HttpRequest  # noqa: E402
from django.middleware.csrf import get_token  # noqa: E402
from django.test import AsyncClient, Client, override_settings  # noqa: E402
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart  # noqa: E402
from django.urls import include, path, resolve, reverse  # noqa: E402

import processman.contrib.django as integration  # noqa: E402
from processman.contrib.django import views  # noqa: E402

OWN = {"X-Processman": "1"}
BEARER = {"Authorization": f"Bearer {TOKEN}"}
DENIED = refusal(403, "You are not allowed to perform this request.")
UNPROVED = refusal(403, "Send the header X-Processman: 1, which shows that no other site made this request.")
FOREIGN = refusal(403, "Requests from other sites are not allowed.")



class OwnAuthentication(AuthenticationMiddleware):
    """What a site may have in the place of Django's."""


def urls(*patterns: Any) -> type:
    """Return what ROOT_URLCONF may be."""
    return type("Urls", (), {"urlpatterns": patterns})


API = path("api/pm/", include("processman.contrib.django.urls"))
PROGRAMS = path("api/programs/", include(integration.bearer_urls(TOKEN)))
URLS = urls(API, PROGRAMS)


@pytest.fixture(scope="module")
def users() -> Iterator[dict[str, User]]:
    """Nobody, a user, one of the staff, superusers; by name, in a database in memory."""
    call_command("migrate", verbosity=0)
    yield {
        "bob": User.objects.create_user("bob"),
        "sue": User.objects.create_user("sue", is_staff=True),
        "ann": User.objects.create_superuser("ann"),
        "eve": User.objects.create_superuser("eve", is_active=False),
    }
    connections.close_all()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Manager]:
    """A site whose manager has one process, ``web``."""
    with override_settings(BASE_DIR=tmp_path, ROOT_URLCONF=URLS):
        manager = integration.manager()
        manager.register(child("web", "waits.py"))
        yield manager
        manager.stop()


def client(user: User | None = None, **options: Any) -> Client:
    made = Client(**options)
    if user is not None:
        made.force_login(user, "django.contrib.auth.backends.ModelBackend")
    return made


def using(**given: Any) -> Any:
    return override_settings(PROCESSMAN=given)


# -- who may come in ---------------------------------------------------------------
@pytest.mark.parametrize(("name", "get", "post"), [
    ("", 401, 401),
    ("bob", 403, 403),
    ("sue", 403, 403),
    ("eve", 401, 401),
    ("ann", 200, 503),
])
def test_active_superusers_come_in(
    site: Manager, users: dict[str, User], name: str, get: int, post: int
) -> None:
    """A-auth-zoo; a POST that is let in finds a manager that tests do not start: 503"""
    asked = client(users.get(name))
    for method, route in ROUTES:
        answer = asked.generic(method, f"/api/pm{route}", headers=OWN)
        assert answer.status_code == (get if method == "GET" else post), route
        assert answer["Content-Type"] == "application/json"


@pytest.mark.parametrize(("user", "expected"), [
    (None, None),
    (AnonymousUser(), None),
    (User(username="bob"), False),
    (User(username="eve", is_superuser=True, is_active=False), False),
    (User(username="ann", is_superuser=True), Identity("ann")),
])
def test_the_usual_auth_answers_as_auth_hooks_do(user: Any, expected: object) -> None:
    request = HttpRequest()
    if user is not None:
        request.user = user
    assert integration.superuser(request) == expected


def test_a_database_that_does_not_answer_is_503(site: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: object) -> bool:
        raise OperationalError("no connection")

    monkeypatch.setattr(AnonymousUser, "is_authenticated", property(broken))
    answer = client().get("/api/pm/list")
    assert answer.json() == refusal(503, "Authentication is not available now.")
    assert answer["Retry-After"] == "5"


def _raise(error: Exception) -> Any:
    raise error


HOOK = "processman.contrib.django.hook"
HOOKS: dict[str, tuple[Callable[[Any], Any], int, int]] = {
    "true": (lambda request: True, 200, 503),
    "identity": (lambda request: Identity("ann"), 200, 503),
    "reader": (lambda request: Identity("ann", role="read"), 200, 403),
    "nobody": (lambda request: None, 401, 401),
    "false": (lambda request: False, 403, 403),
    "one": (lambda request: 1, 403, 403),
    "name": (lambda request: "ann", 403, 403),
    "user": (lambda request: request.user, 403, 403),
    "wrong_arguments": (lambda: True, 403, 403),
    "raises": (lambda request: _raise(AttributeError("is_admin")), 403, 403),
    "cannot_tell": (lambda request: _raise(AuthUnavailable("the directory is down")), 503, 503),
}


@pytest.mark.parametrize("name", HOOKS)
def test_auth_of_the_settings_decides(site: Manager, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A-auth-zoo"""
    hook, get, post = HOOKS[name]
    monkeypatch.setattr(integration, "hook", hook, raising=False)
    with using(AUTH=HOOK):
        for method, route in ROUTES:
            answer = client().generic(method, f"/api/pm{route}", headers=OWN)
            assert answer.status_code == (get if method == "GET" else post), route


def test_an_auth_that_cannot_be_imported_denies(site: Manager) -> None:
    with using(AUTH="no.such.hook"):
        assert client().get("/api/pm/list").json() == DENIED


# -- what browsers can be made to send ---------------------------------------------
@pytest.mark.parametrize(("headers", "answer"), [
    ({}, UNPROVED),
    ({"Content-Type": "application/json"}, UNPROVED),
    ({"X-Processman": "0"}, UNPROVED),
    ({"X-CSRFToken": "x" * 64}, UNPROVED),
    ({"X-CSRFToken": "wrong"}, UNPROVED),
    ({"Authorization": "Basic dTpw"}, UNPROVED),
    ({"X-CSRFToken": "the token", "Sec-Fetch-Site": "cross-site"}, FOREIGN),
    ({"X-CSRFToken": "the token", "Origin": "https://evil.example"}, FOREIGN),
    (OWN | {"Sec-Fetch-Site": "same-site"}, FOREIGN),
    (OWN | {"Origin": "null"}, FOREIGN),
    (OWN, None),
    (OWN | {"Origin": "http://testserver", "Sec-Fetch-Site": "same-origin"}, None),
    ({"X-CSRFToken": "the token"}, None),
    ({"X-CSRFToken": "the token", "Origin": "http://testserver"}, None),
    (BEARER, None),
])
@pytest.mark.parametrize("middleware", [
    MIDDLEWARE,
    [each for each in MIDDLEWARE if each != CSRF_MIDDLEWARE],
], ids=["with", "without"])  # fmt: skip
@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_a_change_proves_that_the_user_meant_it(
    site: Manager, users: dict[str, User], method: str, middleware: list[str], headers: dict[str, str], answer: Any
) -> None:
    """A-csrf"""
    asked = client(users["ann"], enforce_csrf_checks=True)
    token = csrf_token(asked)
    sent = {name: value.replace("the token", token) for name, value in headers.items()}
    with override_settings(MIDDLEWARE=middleware):
        answered = asked.generic(method, "/api/pm/nobody/stop", headers=sent)
    granted = 404 if method == "POST" else 405
    assert (answered.status_code, answered.json()) == (403, answer) if answer else answered.status_code == granted


def csrf_token(asked: Client) -> str:
    """Return a token of Django's that goes with the cookie that *asked* gets."""
    request = HttpRequest()
    token: str = get_token(request)
    asked.cookies[django_settings.CSRF_COOKIE_NAME] = request.META["CSRF_COOKIE"]
    return token


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", MULTIPART_CONTENT])
def test_a_form_with_its_token_is_heard(site: Manager, users: dict[str, User], content_type: str) -> None:
    asked = client(users["ann"], enforce_csrf_checks=True)
    data = {"csrfmiddlewaretoken": csrf_token(asked)}
    body = encode_multipart(BOUNDARY, data) if content_type is MULTIPART_CONTENT \
        else "&".join("=".join(pair) for pair in data.items())  # fmt: skip
    for sent, status in ((body, 404), (b"", 403)):
        answer = asked.generic("POST", "/api/pm/nobody/stop", sent, content_type=content_type)
        assert answer.status_code == status


@pytest.mark.parametrize("headers", [{}, OWN])
@pytest.mark.parametrize("content_type", ["application/json", MULTIPART_CONTENT])
def test_a_large_body_is_refused_unread(
    site: Manager, users: dict[str, User], content_type: str, headers: dict[str, str]
) -> None:
    asked = client(users["ann"], enforce_csrf_checks=True)
    answer = asked.generic("POST", "/api/pm/nobody/stop", b"x" * 5000, content_type=content_type, headers=headers)
    assert answer.json() == refusal(413, "The request body is too large.")


def test_looking_needs_no_proof(site: Manager, users: dict[str, User]) -> None:
    asked = client(users["ann"], enforce_csrf_checks=True)
    assert asked.get("/api/pm/web").status_code == 200
    assert asked.head("/api/pm/web").status_code == 200


# -- programs ----------------------------------------------------------------------
@pytest.mark.parametrize(("headers", "status"), [
    ({}, 401),
    (OWN, 401),
    ({"Authorization": "Bearer another-token-of-some"}, 401),
    (BEARER, 404),
])
def test_programs_send_a_token_and_nothing_else(
    site: Manager, users: dict[str, User], headers: dict[str, str], status: int
) -> None:
    asked = client(users["ann"], enforce_csrf_checks=True)
    assert asked.post("/api/programs/nobody/stop", headers=headers).status_code == status
    assert asked.get("/api/programs/web", headers=headers).status_code == (200 if status == 404 else status)


@pytest.mark.parametrize("tokens", [(), ("short",), ("a token with spaces",)])
def test_tokens_that_are_none_are_refused_at_once(tokens: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="cannot make a bearer hook"):
        integration.bearer_urls(*tokens)


@pytest.mark.skipif(django.VERSION < (5, 1), reason="Django has no such middleware yet")
def test_a_site_behind_its_login_page_still_answers_as_an_api(site: Manager) -> None:
    closed = [*MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
    with override_settings(MIDDLEWARE=closed):
        assert client().get("/api/pm/list").status_code == 401
        assert client().get("/api/programs/list", headers=BEARER).status_code == 200


# -- where it is -------------------------------------------------------------------
def echo(environ: dict[str, str], start_response: Callable[..., Any]) -> list[bytes]:
    start_response("299 Fine", [("Set-Cookie", "a=1; Path=/"), ("Set-Cookie", "b=2; HttpOnly"), ("X-A", "b")])
    said = (environ[name] for name in ("SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "HTTP_HOST", "wsgi.url_scheme"))
    return [" ".join(said).encode("latin-1"), b"", b"."]


@pytest.mark.parametrize("forced", [None, "/outer"])
@pytest.mark.parametrize("prefix", ["", "pm/", "api/pm/", "ops/ü/"])
@pytest.mark.parametrize("asynchronous", [False, True], ids=["wsgi", "asgi"])
def test_the_api_is_told_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asynchronous: bool, prefix: str, forced: str | None
) -> None:
    """A-mount"""
    here = urls(path(prefix, include("processman.contrib.django.urls")))
    monkeypatch.setattr(views, "create_app", lambda manager, **_: echo)
    with override_settings(BASE_DIR=tmp_path, ROOT_URLCONF=here, FORCE_SCRIPT_NAME=forced):
        answer, empty = ask(asynchronous, f"/{prefix}a%20b/é?x=1"), ask(asynchronous, f"/{prefix}")
    mount = f"{forced or ''}/{prefix}".rstrip("/")
    assert answer.content.decode() == f"{mount} /a b/é x=1 testserver http."
    assert empty.content.decode() == f"{mount} /  testserver http."
    assert (answer.status_code, answer.reason_phrase, answer["X-A"]) == (299, "Fine", "b")
    assert {name: morsel.OutputString() for name, morsel in answer.cookies.items()} == {
        "a": "a=1; Path=/", "b": "b=2; HttpOnly",
    }


def ask(asynchronous: bool, url: str) -> Any:
    """Ask as WSGI servers do, or as ASGI servers do."""
    if not asynchronous:
        return Client().get(url)
    where = urlsplit(url)
    outer = django_settings.FORCE_SCRIPT_NAME or ""
    request = ASGIRequest({
        "type": "http", "method": "GET", "path": outer + unquote(where.path), "query_string": where.query.encode(),
        "headers": [(b"host", b"testserver")], "scheme": "http",
    }, BytesIO())  # fmt: skip
    view, arguments, options = resolve(request.path_info)
    return view(request, *arguments, **options)


def test_all_routes_answer_under_asgi(site: Manager, users: dict[str, User]) -> None:
    asked = AsyncClient()
    asked.cookies = client(users["ann"]).cookies
    [web] = async_to_sync(asked.get)("/api/pm/list").json()
    assert (web["id"], web["status"]) == ("web", "stopped")
    assert async_to_sync(asked.get)("/api/pm/web/logs?lines=none").status_code == 400
    answer = async_to_sync(asked.post)("/api/pm/nobody/stop", {"a": "form"}, headers=OWN)
    assert answer.json() == refusal(404, "Process not found.")


def test_the_dashboard_is_there_before_somebody_has_logged_in(site: Manager, users: dict[str, User]) -> None:
    asked = client()
    assert asked.get("/api/pm/")["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in asked.get("/api/pm/static/app.js")["Content-Security-Policy"]
    assert asked.get("/api/pm/list").status_code == 401
    answer = async_to_sync(AsyncClient().get)("/api/pm/")
    assert answer.content.startswith(b"<!doctype html>")


def test_nobody_waits_under_asgi_where_one_thread_does_all(site: Manager, users: dict[str, User]) -> None:
    asked = AsyncClient()
    asked.cookies = client(users["ann"]).cookies
    assert async_to_sync(asked.get)("/api/pm/web/logs?after=0&wait=20").json()["items"] == []


def test_routes_that_are_none_are_answered_by_the_api(site: Manager, users: dict[str, User]) -> None:
    asked = client(users["ann"])
    for route in ("/", "/list", "no/such/route", "list/"):
        assert asked.get(f"/api/pm/{route}").json() == refusal(404, "There is nothing here.")
    for method in ("PUT", "PATCH", "DELETE", "OPTIONS"):
        answer = asked.generic(method, "/api/pm/web/stop", headers=OWN)
        assert (answer.status_code, answer["Allow"]) == (405, "POST")
    assert reverse("processman:api", args=["web/logs"]) == "/api/pm/web/logs"


def test_hosts_are_those_of_the_site(site: Manager, users: dict[str, User]) -> None:
    asked = client(users["ann"])
    assert asked.get("/api/pm/list", headers={"Host": "evil.example"}).status_code == 400
    proxied = {"X-Forwarded-Host": "testserver", "Host": "10.0.0.1:8000", "Origin": "http://testserver"} | OWN
    with override_settings(USE_X_FORWARDED_HOST=True):
        assert asked.post("/api/pm/nobody/stop", headers=proxied).status_code == 404


# -- the manager -------------------------------------------------------------------
def test_there_is_one_manager_made_of_the_settings(tmp_path: Path) -> None:
    with override_settings(BASE_DIR=tmp_path):
        manager = integration.manager()
        assert integration.manager() is manager
        assert manager.config.data_dir == str(tmp_path / "pb_data")
    with override_settings(BASE_DIR=str(tmp_path)), using(DATA_DIR=Path("deep") / "er", PORT=99, DEV=True):
        config = integration.manager().config
        assert (config.data_dir, config.port, config.dev) == (str(tmp_path / "deep" / "er"), 99, True)
    with override_settings(BASE_DIR=tmp_path), using(RUN_DIR="run"):
        assert integration.manager().config.run_dir == str(tmp_path / "run")
    with using(DATA_DIR=tmp_path):
        assert integration.manager().config.data_dir == str(tmp_path)


def test_it_runs_processes_and_says_so(site: Manager, users: dict[str, User]) -> None:
    site.start()
    site.wait_for("web", "running", timeout=10)
    asked = client(users["ann"])
    assert asked.post("/api/pm/web/stop", headers=OWN).json() == {"message": "Process stopped", "id": "web"}
    assert asked.get("/api/pm/web").json()["status"] == "stopped"
    assert asked.post("/api/pm/web/start", headers=OWN).status_code == 200
    site.wait_for("web", "running", timeout=10)


def test_tests_start_nothing(site: Manager, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "processman"):
        integration.start()
    assert not site.started
    assert "processes are not started: pytest is running" in caplog.messages


def test_a_broken_file_is_logged_and_the_site_goes_on(
    site: Manager, users: dict[str, User], tmp_path: Path, caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken(tmp_path)
    monkeypatch.setenv("PROCESSMAN_AUTOSTART", "1")
    integration.start()
    assert any("/0/scirpt: unknown key; did you mean script?" in message for message in caplog.messages)
    assert client(users["ann"]).get("/api/pm/list").status_code == 200


def broken(directory: Path) -> None:
    (directory / "pb_data").mkdir()
    entry = {"id": "web", "scirpt": "s3cret", "cwd": "."}
    (directory / "pb_data" / "pb_processes.json").write_text(json.dumps([entry]))


# -- the system checks ---------------------------------------------------------------
def complaints(**given: Any) -> list[tuple[str, str, str]]:
    """Return what the checks say with *given* settings: id, words and hint."""
    with override_settings(**given):
        found = checks.run_checks(tags=["processman"])
    return [(each.id, each.msg, each.hint) for each in found]


def test_a_site_as_it_should_be_is_not_complained_of(tmp_path: Path) -> None:
    assert complaints(BASE_DIR=tmp_path, ROOT_URLCONF=URLS) == []
    assert complaints(BASE_DIR=tmp_path, ROOT_URLCONF=urls(PROGRAMS), MIDDLEWARE=[]) == []
    assert complaints(BASE_DIR=tmp_path, ROOT_URLCONF=None) == []


@pytest.mark.parametrize(("given", "words"), [
    ({"DATADIR": "x"}, "DATADIR: unknown key; did you mean DATA_DIR?"),
    ({"data_dir": "x"}, "data_dir: unknown key; did you mean DATA_DIR?"),
    ({"AUHT": "x"}, "AUHT: unknown key; did you mean AUTH?"),
    ({"SOMETHING_ELSE": "x"}, "SOMETHING_ELSE: unknown key"),
    ({5: "x"}, "5: unknown key"),
    ({"AUTH": lambda request: True}, "AUTH: must be the dotted name of a function"),
    ({"AUTH": None}, "AUTH: must be the dotted name of a function"),
    ({"PORT": "8090"}, "port: must be an integer from 1 to 65535"),
    ({"DATA_DIR": ""}, "data_dir: must be a path that is not empty"),
    ({"DATA_DIR": 5}, "data_dir: must be a path that is not empty"),
    ({"ENGINE": "steam"}, "engine: must be one of auto, local, keeper"),
    (["DATA_DIR"], "must be a dictionary with keys of Config"),
    (None, "must be a dictionary with keys of Config"),
])
def test_settings_that_cannot_be_used_are_an_error(tmp_path: Path, given: Any, words: str) -> None:
    [(id, message, hint)] = complaints(BASE_DIR=tmp_path, ROOT_URLCONF=URLS, PROCESSMAN=given)
    assert (id, message.endswith(words)) == ("processman.E001", True), message
    assert "upper case" in hint
    with override_settings(PROCESSMAN=given, BASE_DIR=tmp_path), pytest.raises(ConfigError, match=re.escape(words)):
        integration.start()


def test_without_base_dir_the_data_directory_is_named_in_full(tmp_path: Path) -> None:
    with override_settings(ROOT_URLCONF=URLS):
        del django_settings.BASE_DIR
        [(id, message, _)] = complaints()
        assert id == "processman.E001"
        assert message.endswith("DATA_DIR: must be an absolute path, for there is no BASE_DIR in the settings")
        assert complaints(PROCESSMAN={"DATA_DIR": tmp_path}) == []
        [(id, message, _)] = complaints(PROCESSMAN={"DATA_DIR": tmp_path, "RUN_DIR": "run"})
        assert message.endswith("RUN_DIR: must be an absolute path, for there is no BASE_DIR in the settings")


@pytest.mark.parametrize("name", ["no.such.hook", "nodots", "processman.contrib.django.nothing", ""])
def test_an_auth_that_cannot_be_imported_is_an_error(tmp_path: Path, name: str) -> None:
    [(id, message, hint)] = complaints(BASE_DIR=tmp_path, ROOT_URLCONF=URLS, PROCESSMAN={"AUTH": name})
    assert (id, message.startswith("cannot import AUTH of PROCESSMAN: ")) == ("processman.E002", True)
    assert "processman.contrib.django.superuser" in hint


async def coroutine(request: HttpRequest) -> bool:
    return True


@pytest.mark.parametrize("hook", [coroutine, "a string"])
def test_an_auth_that_cannot_be_asked_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hook: Any
) -> None:
    monkeypatch.setattr(integration, "hook", hook, raising=False)
    [(id, message, _)] = complaints(BASE_DIR=tmp_path, ROOT_URLCONF=URLS, PROCESSMAN={"AUTH": HOOK})
    assert (id, message) == ("processman.E002", "cannot ask AUTH of PROCESSMAN: it is no plain function")


@pytest.mark.parametrize(("name", "words"), [
    ("processman.wsgi.bearer", "it makes something, and decides about no request"),
    ("processman.contrib.django.bearer_urls", "it makes something, and decides about no request"),
    ("os.getpid", "it cannot be called with a request alone"),
    ("os.path.samefile", "it cannot be called with a request alone"),
])
def test_an_auth_that_decides_about_no_request_is_an_error(tmp_path: Path, name: str, words: str) -> None:
    [(id, message, _)] = complaints(BASE_DIR=tmp_path, ROOT_URLCONF=URLS, PROCESSMAN={"AUTH": name})
    assert (id, message) == ("processman.E002", f"cannot ask AUTH of PROCESSMAN: {words}")


@pytest.mark.parametrize(("run_dir", "words"), [
    ("/etc/passwd/run", "/etc/passwd: it is not a directory"),
    ("/etc/passwd", "/etc/passwd: it is not a directory"),
    ("x" * 100, "too long for a socket (at most 107 bytes)"),
    ("/tmp", "/tmp: it is open to others (mode 0700 closes it)"),
])
def test_a_run_directory_that_cannot_be_used_is_an_error(tmp_path: Path, run_dir: str, words: str) -> None:
    given = {"RUN_DIR": run_dir}
    [(id, message, hint)] = complaints(BASE_DIR=tmp_path, ROOT_URLCONF=URLS, PROCESSMAN=given)
    assert (id, message.endswith(words), "Correct RUN_DIR" in hint) == ("processman.E005", True, True), message
    assert complaints(BASE_DIR=tmp_path, ROOT_URLCONF=URLS, PROCESSMAN={**given, "ENGINE": "local"}) == []


def test_a_run_directory_that_can_be_made_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir(mode=0o700)
    for run_dir in ("run", "run/deeper", tempfile.gettempdir() + "/pm-not-there-yet"):
        assert complaints(BASE_DIR=tmp_path, ROOT_URLCONF=URLS, PROCESSMAN={"RUN_DIR": run_dir}) == []
        assert not (tmp_path / "run" / "deeper").exists()


@pytest.mark.parametrize(("middleware", "auth", "wrong"), [
    (MIDDLEWARE, None, False),
    ([f"{__name__}.OwnAuthentication"], None, False),
    ([], None, True),
    (["no.such.middleware"], None, True),
    ([], "builtins.bool", False),
])
def test_nothing_that_authenticates_is_an_error(
    tmp_path: Path, middleware: list[str], auth: str | None, wrong: bool
) -> None:
    given = {"AUTH": auth} if auth else {}
    found = complaints(BASE_DIR=tmp_path, ROOT_URLCONF=URLS, MIDDLEWARE=middleware, PROCESSMAN=given)
    assert [id for id, *_ in found] == ["processman.E003"] * wrong
    assert not wrong or AUTH_MIDDLEWARE in found[0][2]


def test_an_api_that_is_not_mounted_is_a_warning(tmp_path: Path) -> None:
    [(id, _, hint)] = complaints(BASE_DIR=tmp_path, ROOT_URLCONF=urls())
    assert id == "processman.W001"
    assert 'path("api/pm/", include("processman.contrib.django.urls"))' in hint


def test_a_data_directory_that_was_named_and_is_not_there_is_a_warning(tmp_path: Path) -> None:
    [(id, message, _)] = complaints(BASE_DIR=tmp_path, ROOT_URLCONF=URLS, PROCESSMAN={"DATA_DIR": "dta"})
    assert (id, message) == ("processman.W002", f"there is no directory {tmp_path / 'dta'}")


def test_a_broken_file_is_an_error_with_its_message(tmp_path: Path) -> None:
    broken(tmp_path)
    [(id, message, hint)] = complaints(BASE_DIR=tmp_path, ROOT_URLCONF=URLS)
    assert id == "processman.E004"
    assert message.startswith(f"cannot load {tmp_path / 'pb_data' / 'pb_processes.json'}: ")
    assert "/0/scirpt: unknown key; did you mean script?" in message
    assert "s3cret" not in message
    assert "without its processes" in hint
    assert complaints(BASE_DIR=tmp_path, ROOT_URLCONF=URLS, PROCESSMAN={"CONFIG_FILE": None}) == []


@pytest.mark.parametrize(("make", "words"), [
    (lambda directory: directory.write_text(""), "Not a directory"),
    (lambda directory: (directory / "pb_processes.json").mkdir(parents=True), "Is a directory"),
])
def test_a_data_directory_that_cannot_be_used_is_an_error(tmp_path: Path, make: Any, words: str) -> None:
    make(tmp_path / "pb_data")
    [(id, message, _)] = complaints(BASE_DIR=tmp_path, ROOT_URLCONF=URLS)
    assert (id, message.endswith(words)) == ("processman.E004", True), message
