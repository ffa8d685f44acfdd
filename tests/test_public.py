"""What users may rely on: names, signatures, fields, words. A change here is a change of the contract."""
from __future__ import annotations

import dataclasses
import inspect
import subprocess
import sys

import pytest

import processman
import processman.errors
import processman.wsgi

ERRORS = {
    "AlreadyRunning", "ChangingHands", "ConfigError", "DuplicateProcess", "NotOwner", "NotStarted", "Overruled",
    "ProcessNotFound", "ProcessmanError", "StartFailed", "StopFailed", "WaitTimeout",
}
NAMES = {"Config", "Event", "Gap", "LogLine", "Manager", "ProcessConfig", "State", "Status", "__version__"}

SIGNATURES = {
    "register": "(process)",
    "start": "()",
    "stop": "(timeout=None)",
    "run": "()",
    "start_process": "(id, *, wait=True, timeout=None)",
    "stop_process": "(id, *, wait=True, timeout=None)",
    "restart_process": "(id, *, wait=True, timeout=None)",
    "remove": "(id)",
    "status": "(id)",
    "list": "()",
    "logs": "(id, lines=100)",
    "news": "(id, after=0, *, epoch='', timeout=0.0)",
    "follow": "(id, after=None, timeout=None)",
    "wait_for": "(id, until, timeout=None)",
    "subscribe": "(callback)",
}

FIELDS = {
    "Config": "data_dir config_file port dev",
    "ProcessConfig": "id script command args cwd env interpreter max_retries backoff dev_mode watch_paths "
                     "watch_ignore restart success_exit_codes stop_signal stop_timeout autostart",
    "Status": "id status pid start_time uptime restart_count last_error exit_code signal run next_retry_at "
              "escaped watch config",
    "LogLine": "timestamp process_id stream content seq run partial",
    "Gap": "missed",
    "Event": "seq timestamp process_id kind status",
}

BASES = {
    "ConfigError": ValueError, "ProcessNotFound": LookupError, "WaitTimeout": TimeoutError,
    "StopFailed": processman.errors.ProcessmanError,
}

QUIET = """
import signal, sys, threading
modules = set(sys.modules)
before = [signal.getsignal(number) for number in (1, 2, 15, 17)], threading.active_count()
import processman
after = [signal.getsignal(number) for number in (1, 2, 15, 17)], threading.active_count()
assert before == after
doors = {"werkzeug", "asyncio", "multiprocessing", "processman.wsgi", "processman.cli"}
loaded = doors & (sys.modules.keys() - modules)
assert not loaded, loaded
"""


def shape(method: object) -> str:
    """Render the signature of *method* without self and annotations."""
    signature = inspect.signature(method)  # type: ignore[arg-type]
    named = [each for each in signature.parameters.values() if each.name != "self"]
    plain = [each.replace(annotation=each.empty) for each in named]
    return str(signature.replace(parameters=plain, return_annotation=signature.empty))


def test_top_level_names() -> None:
    assert set(processman.__all__) == NAMES | ERRORS
    assert all(hasattr(processman, name) for name in processman.__all__)


def test_wsgi_names() -> None:
    assert set(processman.wsgi.__all__) == {"AuthUnavailable", "Identity", "bearer", "create_app"}
    assert shape(processman.wsgi.create_app) == "(manager, *, auth=None, hosts=None)"
    assert shape(processman.wsgi.bearer) == "(*tokens)"


@pytest.mark.parametrize(("method", "signature"), SIGNATURES.items())
def test_manager_methods(method: str, signature: str) -> None:
    assert shape(getattr(processman.Manager, method)) == signature


def test_manager_is_a_sized_iterable_container_and_context_manager() -> None:
    for method in ("__contains__", "__len__", "__iter__", "__enter__", "__exit__", "ids"):
        assert hasattr(processman.Manager, method)
    parameters = [name for name in inspect.signature(processman.Manager).parameters if name[0] != "_"]
    assert parameters == ["config"]


@pytest.mark.parametrize(("name", "fields"), FIELDS.items())
def test_records_are_frozen_and_have_their_fields(name: str, fields: str) -> None:
    record = getattr(processman, name)
    assert record.__dataclass_params__.frozen
    present = {field.name for field in dataclasses.fields(record)}
    assert set(fields.split()) <= present


@pytest.mark.parametrize("name", sorted(ERRORS))
def test_errors_are_in_both_places_and_of_one_family(name: str) -> None:
    error = getattr(processman, name)
    assert error is getattr(processman.errors, name)
    assert issubclass(error, processman.ProcessmanError)
    assert issubclass(error, BASES.get(name, Exception))


def test_status_words() -> None:
    assert [str(word) for word in processman.State] == [
        "stopped", "starting", "running", "stopping", "crashed", "exited", "failed",
    ]


def test_import_starts_nothing_says_nothing_and_loads_no_door() -> None:
    """H-signals-untouched"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", QUIET], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
