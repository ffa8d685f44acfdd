from __future__ import annotations

import json
import os
import socket
import stat
from contextlib import ExitStack
from pathlib import Path

import pytest

from processman import private
from processman.cli import Failure
from processman.cli.directory import announced, claim, token
from processman.client import Client, Refused, Unreachable, find
from processman.wsgi.server import Server

TOKEN = "a-token-of-length"


@pytest.fixture
def serve():
    """Serve one fixed answer; return a client and the list of what it asks."""
    with ExitStack() as stack:
        def serve(status="200 OK", body=b"[]", path=""):
            asked = []

            def app(environ, start_response):
                asked.append((environ["REQUEST_METHOD"], environ["PATH_INFO"], environ["QUERY_STRING"],
                              environ["HTTP_AUTHORIZATION"]))  # fmt: skip
                start_response(status, [("Content-Length", str(len(body)))])
                return [body]

            server = stack.enter_context(Server("127.0.0.1", 0, app))
            return Client(f"http://127.0.0.1:{server.port}{path}", TOKEN), asked

        yield serve


TIME = "2026-01-30T10:00:00Z"
PROCESS = {"id": "web", "status": "crashed", "pid": None, "uptime": None, "restartCount": 1, "lastError": "x",
           "run": 2, "nextRetryAt": TIME, "escaped": ["sh (pid 7)"], "watch": None}  # fmt: skip
LINE = {"timestamp": TIME, "processId": "web", "stream": "stdout", "content": "hello", "seq": 1, "run": 1}
DONE = {"message": "Process stopped", "id": "web"}


@pytest.mark.parametrize(("do", "asked", "answer"), [
    (lambda client: client.processes(), ("GET", "/list", ""), [PROCESS]),
    (lambda client: client.process("a b/../c?d#e"), ("GET", "/a b/../c?d#e", ""), PROCESS),
    (lambda client: client.logs("web", 7), ("GET", "/web/logs", "lines=7"), [LINE]),
    (lambda client: client.start("web"), ("POST", "/web/start", ""), DONE),
    (lambda client: client.stop("web"), ("POST", "/web/stop", ""), DONE),
    (lambda client: client.restart("web"), ("POST", "/web/restart", ""), DONE),
])  # fmt: skip
@pytest.mark.parametrize(("path", "mount"), [("", "/api/pm"), ("/", ""), ("/x/api/pm/", "/x/api/pm")])
def test_each_method_is_one_request(do, asked, answer, path, mount, serve):
    client, requests = serve(body=json.dumps(answer).encode(), path=path)
    assert do(client) in (answer, None)
    method, route, query = asked
    assert requests == [(method, mount + route, query, f"Bearer {TOKEN}")]


def error_body(message, **data):
    return json.dumps({"data": data, "message": message, "status": 0}).encode()


@pytest.mark.parametrize(("status", "body", "kind", "message"), [
    ("404 NOT FOUND", error_body("Process not found."), Refused, "cannot stop process 'web': Process not found"),
    ("409 CONFLICT", error_body("Could not.", survivors=["sh (pid 7)"]), Refused,
     "cannot stop process 'web': Could not: sh (pid 7)"),
    ("503 BUSY", error_body("Later."), Refused, "cannot stop process 'web': Later"),
    ("401 UNAUTHORIZED", error_body("Authentication is required."), Unreachable, "not authorised at http"),
    ("403 FORBIDDEN", error_body("No."), Unreachable, "not authorised at http"),
    ("200 OK", b"<html>", Unreachable, "cannot understand the answer"),
    ("404 NOT FOUND", b"<html>", Unreachable, "it is not processman's (status 404)"),
    ("404 NOT FOUND", b"[1]", Unreachable, "it is not processman's (status 404)"),
    ("302 FOUND", b"", Unreachable, "it is not processman's (status 302)"),
    ("500 ERROR", b'{"message": 7}', Unreachable, "it is not processman's (status 500)"),
    ("409 CONFLICT", b'{"message": "Could not.", "data": []}', Refused, "Could not"),
    ("409 CONFLICT", b'{"message": "Could not.", "data": {"survivors": 7}}', Refused, "Could not"),
])  # fmt: skip
def test_errors(status, body, kind, message, serve):
    client, _ = serve(status, body)
    with pytest.raises(kind) as raised:
        client.stop("web")
    assert message in str(raised.value)
    assert TOKEN not in str(raised.value)


def spoilt(good):
    """Yield *good* without each of its keys, and with something else in its place."""
    for key in good:
        yield {name: value for name, value in good.items() if name != key}
        yield good | {key: {"an": "object"}}


STRANGE = [None, 7, "text", {}, [7], [[]], [{}], {"id": "web"}, {"status": "ok"}]


@pytest.mark.parametrize(("do", "answers"), [
    (lambda client: client.processes(), [*STRANGE, PROCESS, *([each] for each in spoilt(PROCESS))]),
    (lambda client: client.process("web"), [
        *STRANGE, [], [PROCESS], *spoilt(PROCESS), PROCESS | {"nextRetryAt": "soon"},
        PROCESS | {"nextRetryAt": "2026-01-30"}, PROCESS | {"escaped": [7]},
    ]),
    (lambda client: client.logs("web", 7), [*STRANGE, LINE, *([each] for each in spoilt(LINE))]),
    (lambda client: client.start("web"), [*STRANGE, []]),
    (lambda client: client.stop("web"), [*STRANGE, []]),
])  # fmt: skip
def test_a_stranger_that_answers_json_is_told_from_a_manager(do, answers, serve):
    bodies = [b"[" * 100_000, *(json.dumps(each).encode() for each in answers)]
    for body in bodies:
        client, _ = serve(body=body)
        with pytest.raises(Unreachable, match="it is not processman's"):
            do(client)


def test_nobody_there():
    with Server("127.0.0.1", 0, lambda *_: []) as server:
        port = server.port
    with pytest.raises(Unreachable, match="cannot reach the manager at http://127"):
        Client(f"http://127.0.0.1:{port}", TOKEN).processes()


@pytest.mark.parametrize("host", ["a" * 64, "a..b"])
def test_a_name_that_no_host_can_have(host):
    with pytest.raises(Unreachable, match="cannot reach the manager at http://a"):
        Client(f"http://{host}", TOKEN).processes()


def test_a_manager_that_does_not_answer_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = Client(f"http://127.0.0.1:{silent.getsockname()[1]}", TOKEN, timeout=0.05)
        with pytest.raises(Unreachable, match="timed out"):
            client.processes()


@pytest.mark.parametrize("url", ["", "localhost:8091", "ftp://a", "http://", "http://a:b", "http://a:99999", "file:///x",
                                 "http://[::1", "http://a b/", "http://a/b c", "http://a/\n", "http://ä/"])
def test_an_odd_address_is_an_error(url):
    with pytest.raises(ValueError, match="cannot use the address: it is not like http"):
        Client(url, TOKEN)


def test_a_password_in_an_address_is_refused_and_not_shown():
    with pytest.raises(ValueError, match="cannot use the address") as raised:
        Client("http://me:hunter2hunter2@127.0.0.1:1", TOKEN)
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("token", ["", "two\nlines-of-a-token", "a token with spaces", "ключ" * 8])
def test_a_token_that_no_header_can_carry_is_an_error(token):
    with pytest.raises(ValueError, match="cannot use the token: it takes printable ASCII characters") as raised:
        Client("http://127.0.0.1:1", token)
    assert not token or token not in str(raised.value)


def test_a_word_of_the_api_is_no_process(serve):
    client, _ = serve()
    with pytest.raises(Refused, match="cannot show process 'list': Process not found"):
        client.process("list")
    with pytest.raises(Refused, match="cannot start process 'list': Process not found"):
        client.process("list", to="start")


# -- the directory ---------------------------------------------------------------
def test_what_is_kept_is_ours_alone(tmp_path):
    """S3, S18"""
    with claim(tmp_path) as home:
        secret, path = token(home, None)
        with announced(home, "http://127.0.0.1:1/api/pm", path):
            modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in [home, *home.iterdir()]}
    assert modes == {".processman": 0o700, "token": 0o600, "lock": 0o600, "state.json": 0o600}
    assert len(secret) == 43
    assert sorted(p.name for p in home.iterdir()) == ["lock", "token"]


def test_the_token_stays_the_same(tmp_path):
    with claim(tmp_path) as home:
        first = token(home, None)
    with claim(tmp_path) as home:
        assert token(home, None) == first


@pytest.mark.parametrize("text", ["", "short\n", "with a space inside", "\x00" * 40, "ключ" * 8])
def test_a_token_of_ours_that_is_spoilt_is_replaced(text, tmp_path):
    with claim(tmp_path) as home:
        private.write(home / "token", text)
        assert len(token(home, None)[0]) == 43


@pytest.mark.parametrize("text", ["", "short\n", "with a space inside", "\udcff" * 40])
def test_a_given_token_that_is_none_is_an_error(text, tmp_path):
    (tmp_path / "given").write_text(text, errors="surrogateescape")
    with claim(tmp_path) as home, pytest.raises(Failure, match="takes 16 printable") as raised:
        token(home, tmp_path / "given")
    assert raised.value.code == 2
    assert text.strip() not in str(raised.value) or not text


def test_a_given_token_is_used_where_it_is(tmp_path):
    given = tmp_path / "given"
    given.write_text(f"{TOKEN}\n")
    with claim(tmp_path) as home:
        assert token(home, given) == (TOKEN, given)
        with announced(home, "http://127.0.0.1:1/api/pm", given):
            assert find(tmp_path).url == "http://127.0.0.1:1/api/pm"
    assert not (home / "token").exists()


def test_one_holds_a_directory(tmp_path):
    """H-two-managers"""
    with claim(tmp_path) as home:
        with pytest.raises(Failure, match="just starting there"), claim(tmp_path):
            pass
        with pytest.raises(Unreachable, match="it is just starting, try again"):
            find(tmp_path)
        _, path = token(home, None)
        with announced(home, "http://127.0.0.1:7/api/pm", path):
            holder = f"runs there: pid {os.getpid()}, http://127.0.0.1:7/api/pm"
            with pytest.raises(Failure, match=holder) as raised, claim(tmp_path):
                pass
            assert raised.value.code == 1
    with claim(tmp_path):
        pass


def test_clients_that_look_do_not_keep_anybody_from_the_lock(tmp_path, monkeypatch):
    taken = iter([False, False, True])
    monkeypatch.setattr(private, "lock", lambda _: next(taken))
    with claim(tmp_path):
        pass


def test_what_a_killed_one_left_is_not_believed(tmp_path):
    """The port may be a stranger's by now, who would be sent the token."""
    with claim(tmp_path) as home:
        _, path = token(home, None)
        private.write(home / "state.json", json.dumps({"pid": 1, "address": "http://a", "tokenFile": str(path)}))
    with pytest.raises(Unreachable, match="no `processman up` runs in"):
        find(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"address": "x", "tokenFile": "/y"}', '{"address": "http://a"}'])
def test_an_odd_state_is_an_error(text, tmp_path):
    with claim(tmp_path) as home:
        private.write(home / "state.json", text)
        with pytest.raises(Unreachable, match="cannot get in to the manager of"):
            find(tmp_path)


def make_link(path: Path) -> None:
    (path / "elsewhere").mkdir(mode=0o700)
    (path / ".processman").symlink_to(path / "elsewhere")


def make_open(path: Path) -> None:
    (path / ".processman").mkdir()
    (path / ".processman").chmod(0o755)


@pytest.mark.parametrize(("make", "why"), [(make_link, "not a directory"), (make_open, "open to others")])
def test_a_directory_that_is_not_ours_alone_is_not_used(make, why, tmp_path):
    make(tmp_path)
    with pytest.raises(OSError, match=why), claim(tmp_path):
        pass
    with pytest.raises(Unreachable, match=why):
        find(tmp_path)


def test_a_directory_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(Failure, match="there is no such directory") as raised, claim(tmp_path / "pb_data"):
        pass
    assert raised.value.code == 2
    assert list(tmp_path.iterdir()) == []
