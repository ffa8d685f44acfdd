"""What a child finds in its environment."""
from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processman.environment import (
    WITHHELD,
    UnsetVariable,
    child_environment,
    enter_venv,
    expand,
    inherited,
    references,
)

HOST = {"HOME": "/home/x", "EMPTY": "", "NESTED": "${HOME}", "COST": "$$5", "_U1": "u"}


@pytest.mark.parametrize(("template", "expanded"), [
    ("", ""),
    ("plain", "plain"),
    ("${HOME}", "/home/x"),
    ("a${HOME}b${_U1}c", "a/home/xbuc"),
    ("${HOME}${HOME}", "/home/x/home/x"),
    ("${EMPTY}", ""),
    ("${NESTED}", "${HOME}"),
    ("${COST}", "$$5"),
    ("${GONE:-}", ""),
    ("${GONE:-default}", "default"),
    ("${GONE:-with space/and:-more}", "with space/and:-more"),
    ("${GONE:-${HOME}}", "${HOME}"),
    ("${GONE:-$$}", "$$"),
    ("${EMPTY:-default}", "default"),
    ("${HOME:-default}", "/home/x"),
    ("$$", "$"),
    ("$$$", "$$"),
    ("$$$$", "$$"),
    ("$${HOME}", "${HOME}"),
    ("$$${HOME}", "$/home/x"),
    ("$HOME", "$HOME"),
    ("$", "$"),
    ("$5.00", "$5.00"),
    ("${}", "${}"),
    ("${1A}", "${1A}"),
    ("${A-B}", "${A-B}"),
    ("${HOME", "${HOME"),
    ("${HOME:-x", "${HOME:-x"),
    ("${ HOME }", "${ HOME }"),
    ("${HOME:x}", "${HOME:x}"),
    ("${HÖME}", "${HÖME}"),
    ("%HOME% ~ `id` $(id)", "%HOME% ~ `id` $(id)"),
    ("${HOME}$$ ${HOME", "/home/x$ ${HOME"),
    ("} $$", "} $"),
    ("two\nlines ${_U1}", "two\nlines u"),
])
def test_template_expands_in_one_pass(template: str, expanded: str) -> None:
    """F-expand"""
    assert expand(template, HOST) == expanded


@pytest.mark.parametrize(("template", "name"), [
    ("${GONE}", "GONE"), ("${HOME}${A}${B}", "A"), ("$$${GONE}", "GONE"), ("${home}", "home"),
])
def test_unset_variable_is_named(template: str, name: str) -> None:
    """F-expand"""
    with pytest.raises(UnsetVariable, match=f"'{name}' is not set") as caught:
        expand(template, HOST)
    assert caught.value.name == name


@given(st.text(alphabet="${}:-AB_ \n"))
def test_doubled_dollars_give_the_text_back(text: str) -> None:
    assert expand(text.replace("$", "$$"), {}) == text


def test_references_of_a_template() -> None:
    template = "$$${A}${B:-b}-${A:-}$${C}${D"
    assert references(template) == (("A", None), ("B", "b"), ("A", ""))


@pytest.mark.parametrize("unit", ["$", "${", "${A", "${A:-", "${A:-x}", "$$", "${A:-${B:-", "}"])
@pytest.mark.parametrize("tail", ["", "}", "x"])
def test_hostile_template_takes_linear_time(unit: str, tail: str) -> None:
    for size in (50_000, 1_000_000):
        template = unit * (size // len(unit)) + tail
        began = time.process_time()
        expand(template, {"A": "a", "B": "b"})
        references(template)
        assert time.process_time() - began < 2


@pytest.mark.parametrize("name", [
    *sorted(WITHHELD), "PROCESSMAN_TOKEN", "PROCESSMAN_ID", "PROCESSMAN_INSTANCE",
])
def test_what_belongs_to_the_host_is_withheld(name: str) -> None:
    assert inherited({name: "x", "KEPT": "y"}) == {"KEPT": "y"}


def test_withheld_names() -> None:
    assert set(WITHHELD) == {
        "WERKZEUG_RUN_MAIN", "WERKZEUG_SERVER_FD", "RUN_MAIN", "LISTEN_FDS", "LISTEN_PID", "NOTIFY_SOCKET",
        "GUNICORN_FD", "GUNICORN_PID",
    }


class _Losing(Mapping[str, str]):
    """A host whose other threads take variables away while we look."""

    def __getitem__(self, name: str) -> str:
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(["GONE"])

    def __len__(self) -> int:
        return 1


def test_variable_that_vanishes_meanwhile_is_left_out() -> None:
    assert inherited(_Losing()) == {}


def built(base: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    return child_environment(base, own, port=8090, data_dir="/data", process_id="web", run=3, instance="cafe")


def test_injected_variables() -> None:
    assert built({}, {}) == {
        "PB_PORT": "8090", "PB_DATA_DIR": "/data", "PROCESSMAN_ID": "web", "PROCESSMAN_RUN": "3",
        "PROCESSMAN_INSTANCE": "cafe", "PYTHONUNBUFFERED": "1",
    }


@pytest.mark.parametrize(("name", "base", "own", "value"), [
    ("PB_PORT", "1", None, "8090"),
    ("PB_PORT", "1", "2", "2"),
    ("PB_DATA_DIR", None, "/mine", "/mine"),
    ("LANG", "C", None, "C"),
    ("LANG", "C", "de", "de"),
    ("PYTHONUNBUFFERED", "", None, ""),
    ("PYTHONUNBUFFERED", "x", None, "x"),
    ("PYTHONUNBUFFERED", "x", "0", "0"),
    ("PROCESSMAN_ID", "host", "own", "web"),
    ("PROCESSMAN_RUN", None, "own", "3"),
    ("PROCESSMAN_INSTANCE", "host", "own", "cafe"),
])
def test_who_decides_a_variable(name: str, base: str | None, own: str | None, value: str) -> None:
    made = built({} if base is None else {name: base}, {} if own is None else {name: own})
    assert made[name] == value


def test_venv_comes_first_on_the_path() -> None:
    env = {"PATH": "/usr/bin", "VIRTUAL_ENV": "/host/venv", "PYTHONHOME": "/host"}
    enter_venv(env, "/app/.venv", "/app/.venv/bin")
    assert env == {"PATH": os.pathsep.join(["/app/.venv/bin", "/usr/bin"]), "VIRTUAL_ENV": "/app/.venv"}


@pytest.mark.parametrize(("env", "rest"), [({}, [os.defpath]), ({"PATH": ""}, [])])
def test_venv_without_a_path_to_add_to(env: dict[str, str], rest: list[str]) -> None:
    enter_venv(env, "/v", "/v/bin")
    assert env["PATH"] == os.pathsep.join(["/v/bin", *rest])
