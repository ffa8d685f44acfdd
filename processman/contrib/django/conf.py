"""What ``PROCESSMAN`` in the settings says, and the one manager that is made of it."""
from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from ...config import Config
from ...manager import Manager
from ...problems import Problem, refuse
from .. import settings as shared

DEFAULT_AUTH = "processman.contrib.django.superuser"

_KEYS = ("AUTH", *(key.upper() for key in shared.KEYS))
_DEFAULTS = {"AUTH": DEFAULT_AUTH, "DATA_DIR": "pb_data"}

#: one in practice; tests that override the settings get one for each
_managers: dict[Config, Manager] = {}


def manager() -> Manager:
    """Return the manager of this process, which is made when it is first asked for. Any thread.

    :raises ConfigError: ``PROCESSMAN`` in the settings is wrong.
    """
    config = configuration()
    if config not in _managers:
        _managers.setdefault(config, Manager(config))  # of two threads that make one at once, one is heard
    return _managers[config]


def configuration() -> Config:
    """Return what the settings say.

    :raises ConfigError: they cannot be used.
    """
    given = {key.lower(): value for key, value in _given().items() if key != "AUTH"}
    return shared.configuration(given, name="PROCESSMAN", home=getattr(settings, "BASE_DIR", ""), data_dir="")


def auth_name() -> str:
    """Return the dotted name of who is asked."""
    return str(_given()["AUTH"])


def auth() -> Callable[[Any], Any]:
    """Return who is asked.

    :raises ImportError: there is no such function.
    """
    hook: Callable[[Any], Any] = import_string(auth_name())
    return hook


def _given() -> Mapping[str, Any]:
    given = getattr(settings, "PROCESSMAN", {})
    filled = {**_DEFAULTS, **given} if isinstance(given, Mapping) else _DEFAULTS
    refuse("configure the manager by PROCESSMAN", [*shared.problems(given, _KEYS), *_problems(filled)])
    return filled


def _problems(given: Mapping[str, Any]) -> Iterator[Problem]:
    if not isinstance(given["AUTH"], str):
        yield Problem("AUTH", "must be the dotted name of a function")
    for key in ("DATA_DIR", "RUN_DIR") if not hasattr(settings, "BASE_DIR") else ():
        if given.get(key) is not None and not os.path.isabs(str(given[key])):
            yield Problem(key, "must be an absolute path, for there is no BASE_DIR in the settings")
