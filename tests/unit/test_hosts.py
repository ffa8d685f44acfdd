"""The rules that tell where a host serves. What real hosts do is in tests/contrib/test_hosts.py."""
from __future__ import annotations

import os
import sys
import threading
import types
from collections.abc import Callable
from types import SimpleNamespace as Fake
from typing import Any

import pytest

from processman import hosts

RELOADER = "this is the reloader, and its child serves"
FOREIGN = "flask.cli click uwsgi gunicorn.arbiter mod_wsgi gevent.monkey eventlet.patcher multiprocessing.process"
Answer = Callable[[], object]


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is known of a host, and nobody minds that these are tests."""
    for name in ("PROCESSMAN_AUTOSTART", "WERKZEUG_RUN_MAIN", "RUN_MAIN"):
        monkeypatch.delenv(name, raising=False)
    for name in FOREIGN.split():
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(hosts, "_BUSY", {why: text for why, text in hosts._BUSY.items() if why != "_pytest"})
    monkeypatch.setattr(hosts, "_waiting", [])


def load(monkeypatch: pytest.MonkeyPatch, name: str, **content: Any) -> Any:
    """Make a module *name* that looks loaded."""
    module = types.ModuleType(name)
    vars(module).update(content)
    monkeypatch.setitem(sys.modules, name, module)
    return module


def inside(*stack: str, then: Answer) -> object:
    """Call *then* from functions of the modules in *stack*, outermost first; ``module:function`` names both."""
    for entry in reversed(stack):
        module, _, function = entry.partition(":")
        scope: dict[str, Any] = {"__name__": module, "then": then}
        exec(f"def {function or 'work'}(argv=None):\n    return then()", scope)
        then = scope[function or "work"]
    return then()


# -- the switch and the reloaded child -------------------------------------------------
@pytest.mark.parametrize(("environment", "expected"), [
    ({}, ""),
    ({"PROCESSMAN_AUTOSTART": "0"}, "PROCESSMAN_AUTOSTART is 0"),
    ({"PROCESSMAN_AUTOSTART": "0", "RUN_MAIN": "true"}, "PROCESSMAN_AUTOSTART is 0"),
    ({"PROCESSMAN_AUTOSTART": "true"}, "PROCESSMAN_AUTOSTART may be 0 or 1, and is 'true'"),
    ({"PROCESSMAN_AUTOSTART": ""}, ""),
])  # fmt: skip
def test_the_switch_is_obeyed(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: str) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert hosts.refusal() == expected
    assert hosts.mistake() == (expected if "may be" in expected else "")


@pytest.mark.parametrize(("name", "value", "starts"), [
    ("PROCESSMAN_AUTOSTART", "1", True),
    ("WERKZEUG_RUN_MAIN", "true", True),
    ("RUN_MAIN", "true", True),
    ("RUN_MAIN", "false", False),
    ("WERKZEUG_RUN_MAIN", "", False),
])  # fmt: skip
def test_what_overrules_the_rules(monkeypatch: pytest.MonkeyPatch, name: str, value: str, starts: bool) -> None:
    monkeypatch.setenv(name, value)
    assert (inside("unittest.main", then=hosts.refusal) == "") is starts


# -- commands ----------------------------------------------------------------------------
@pytest.mark.parametrize(("command", "reload", "debug", "expected"), [
    ("run", None, False, ""),
    ("run", None, True, RELOADER),
    ("run", True, False, RELOADER),
    ("run", False, True, ""),
    ("routes", None, False, "the command 'flask routes' serves nobody"),
    ("shell", None, True, "the command 'flask shell' serves nobody"),
    ("flask", None, False, "the command 'flask' serves nobody"),
])  # fmt: skip
def test_commands_of_flask(
    monkeypatch: pytest.MonkeyPatch, command: str, reload: bool | None, debug: bool, expected: str
) -> None:
    path = "flask" if command == "flask" else f"flask {command}"
    context = Fake(info_name=command, command_path=path, params={"reload": reload}, find_object=lambda kind: kind)
    load(monkeypatch, "click", get_current_context=lambda silent: context)
    load(monkeypatch, "flask.cli", ScriptInfo=object(), get_debug_flag=lambda: debug)
    assert hosts.refusal() == expected


@pytest.mark.parametrize(("command", "expected"), [
    ("run", ""), ("routes", "the command 'flask routes' serves nobody"),
])  # fmt: skip
def test_what_a_reloaded_child_runs_inherits_its_mark(
    monkeypatch: pytest.MonkeyPatch, command: str, expected: str
) -> None:
    context = Fake(info_name=command, command_path=f"flask {command}", params={"reload": True},
                   find_object=lambda kind: kind)
    load(monkeypatch, "click", get_current_context=lambda silent: context)
    load(monkeypatch, "flask.cli", ScriptInfo=object())
    monkeypatch.setenv("WERKZEUG_RUN_MAIN", "true")
    assert hosts.refusal() == expected


@pytest.mark.parametrize("context", [None, Fake(info_name="uvicorn", params={}, find_object=lambda kind: None)])
def test_commands_of_others_are_not_taken_for_flask(monkeypatch: pytest.MonkeyPatch, context: Fake | None) -> None:
    load(monkeypatch, "click", get_current_context=lambda silent: context)
    load(monkeypatch, "flask.cli", ScriptInfo=object(), get_debug_flag=lambda: True)
    assert hosts.refusal() == ""


@pytest.mark.parametrize(("arguments", "expected"), [
    ("runserver", RELOADER),
    ("runserver 8000", RELOADER),
    ("runserver --noreload", ""),
    ("runserver 8000 --noreload --settings=shop", ""),
    ("migrate", "the command 'manage.py migrate' serves nobody"),
    ("test --noreload", "the command 'manage.py test' serves nobody"),
    ("", "the command 'manage.py help' serves nobody"),
])  # fmt: skip
def test_commands_of_django(monkeypatch: pytest.MonkeyPatch, arguments: str, expected: str) -> None:
    monkeypatch.setattr(sys, "argv", ["manage.py", *arguments.split()])
    assert inside("django.core.management:execute_from_command_line", then=hosts.refusal) == expected
    assert hosts.refusal() == ""
    monkeypatch.setenv("RUN_MAIN", "true")
    reloaded = "" if expected == RELOADER else expected
    assert inside("django.core.management:execute_from_command_line", then=hosts.refusal) == reloaded


CHECKS = "gunicorn only checks the application"


@pytest.mark.parametrize(("stack", "expected"), [
    (("gunicorn.app.wsgiapp:run", "gunicorn.app.base:run", "gunicorn.app.wsgiapp:load", "shop"), CHECKS),
    (("gunicorn.app.wsgiapp:run", "gunicorn.app.base:run", "gunicorn.arbiter:setup", "shop"), ""),
    (("gunicorn.app.base:run", "gunicorn.arbiter:spawn_worker", "gunicorn.workers.base:init_process", "shop"), ""),
    (("gunicorn.app.base:load_config", "gunicorn_conf", "shop"), ""),
])  # fmt: skip
def test_gunicorn_may_only_check(stack: tuple[str, ...], expected: str) -> None:
    assert inside(*stack, then=hosts.refusal) == expected


# -- tests -------------------------------------------------------------------------------
@pytest.mark.parametrize(("stack", "expected"), [
    (("unittest.main", "unittest.loader", "shop"), "unittest is running"),
    (("django.test.runner", "shop"), "Django's tests are running"),
    (("click.shell_completion", "shop"), "a command line is being completed"),
    (("unittests", "django.testing", "pytest_shop"), ""),
])  # fmt: skip
def test_tests_are_known_by_the_stack(stack: tuple[str, ...], expected: str) -> None:
    assert inside(*stack, then=hosts.refusal) == expected


def test_pytest_is_known_in_every_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    found = [hosts.refusal()]
    thread = threading.Thread(target=lambda: found.append(hosts.refusal()))
    thread.start()
    thread.join()
    assert found == ["pytest is running"] * 2


# -- masters and their workers -------------------------------------------------------------
@pytest.mark.parametrize(("stack", "expected"), [
    ((), False),
    (("gunicorn.app.wsgiapp", "gunicorn.arbiter", "shop"), True),
    (("gunicorn.arbiter", "gunicorn.workers.base", "shop"), False),
    (("gunicorn.arbiter", "gunicorn.workers.gthread", "shop"), False),
    (("gunicorn.app.base", "gunicorn_conf", "shop"), True),
    (("gunicorns.app", "shop"), False),
])  # fmt: skip
def test_a_preloading_arbiter_defers(stack: tuple[str, ...], expected: bool) -> None:
    assert inside(*stack, then=hosts.defers) is expected


@pytest.mark.parametrize(("worker", "expected"), [(0, True), (1, False), (3, False)])
def test_a_master_of_uwsgi_defers(monkeypatch: pytest.MonkeyPatch, worker: int, expected: bool) -> None:
    load(monkeypatch, "uwsgi", worker_id=lambda: worker, masterpid=os.getpid)
    assert hosts.defers() is expected


@pytest.mark.parametrize("worker", [0, 2])
@pytest.mark.parametrize("has_former", [True, False])
def test_workers_of_uwsgi_are_followed_and_its_hook_is_kept(
    monkeypatch: pytest.MonkeyPatch, worker: int, has_former: bool
) -> None:
    called: list[str] = []
    hook = {"post_fork_hook": lambda: called.append("former")} if has_former else {}
    uwsgi = load(monkeypatch, "uwsgi", worker_id=lambda: worker, **hook)
    monkeypatch.setattr(os, "register_at_fork", lambda **hooks: None)
    hosts.after_fork(lambda: called.append("one"))
    hosts.after_fork(lambda: called.append("two"))
    assert not called
    uwsgi.post_fork_hook()
    assert called == ["former"] * has_former + ["one", "two"] * (worker > 0)


def test_a_fork_that_is_no_worker_calls_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    forked: list[Answer] = []
    monkeypatch.setattr(os, "register_at_fork", lambda **hooks: forked.extend(hooks.values()))
    hosts.after_fork(lambda: called.append("one"))
    for stack in (("multiprocessing.popen_fork",), ("gunicorn.arbiter:reexec",), ("gunicorn.arbiter", "shop")):
        inside(*stack, then=forked[0])
    worker = "no worker of gunicorn's"
    forked[0]()
    assert (len(forked), worker) == (1, "no worker of gunicorn's")
    assert not called


# -- who starts the next, who can lead ---------------------------------------------------------
@pytest.mark.parametrize(("module", "content", "expected"), [
    ("shop", {}, None),
    ("gunicorn.arbiter", {}, os.getppid()),
    ("mod_wsgi", {}, os.getppid()),
    ("uwsgi", {"masterpid": lambda: 7}, 7),
    ("uwsgi", {"masterpid": lambda: 0}, None),
    ("multiprocessing.process", {"parent_process": lambda: Fake(pid=8)}, 8),
    ("multiprocessing.process", {"parent_process": lambda: None}, None),
])  # fmt: skip
def test_supervisors_are_known(
    monkeypatch: pytest.MonkeyPatch, module: str, content: dict[str, Any], expected: int | None
) -> None:
    load(monkeypatch, module, **content)
    assert hosts.supervisor() == expected


def test_a_reloaded_child_is_supervised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUN_MAIN", "true")
    assert hosts.supervisor() == os.getppid()


@pytest.mark.parametrize(("module", "content", "expected"), [
    ("shop", {}, ""),
    ("gevent.monkey", {"is_module_patched": lambda name: name == "threading"}, "gevent has replaced the threads"),
    ("gevent.monkey", {"is_module_patched": lambda name: False}, ""),
    ("eventlet.patcher", {"is_monkey_patched": lambda name: name == "thread"}, "eventlet has replaced the threads"),
    ("eventlet.patcher", {"is_monkey_patched": lambda name: False}, ""),
    ("uwsgi", {"has_threads": 0}, "uWSGI runs without threads: it needs --enable-threads"),
    ("uwsgi", {"has_threads": 1}, ""),
    ("uwsgi", {}, ""),
])  # fmt: skip
def test_who_cannot_lead(
    monkeypatch: pytest.MonkeyPatch, module: str, content: dict[str, Any], expected: str
) -> None:
    load(monkeypatch, module, **content)
    assert hosts.cannot_lead() == expected
