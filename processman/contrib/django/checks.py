"""The system checks: what is wrong with settings, urls and the configuration file, and what to do about it."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from inspect import iscoroutinefunction, signature
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core import checks
from django.urls import NoReverseMatch, reverse
from django.utils.module_loading import import_string

from ... import hosts
from ...config import Config
from ...errors import ConfigError
from ...loader import load
from ...wsgi import bearer
from . import conf
from .urls import bearer_urls

_MIDDLEWARE = "django.contrib.auth.middleware.AuthenticationMiddleware"

#: easily taken for what they make
_FACTORIES = (bearer, bearer_urls)

_BAD_SETTINGS = partial(
    checks.Error, id="processman.E001",
    hint="Its keys are those of processman.Config in upper case, and AUTH.",
)
_BAD_AUTH = partial(
    checks.Error, id="processman.E002",
    hint=f"AUTH is the dotted name of a function of the request; it is {conf.DEFAULT_AUTH!r} unless it is given.",
)
_NO_MIDDLEWARE = partial(
    checks.Error, id="processman.E003",
    hint=f"Add {_MIDDLEWARE!r}, or set AUTH of PROCESSMAN.",
)
_BAD_FILE = partial(
    checks.Error, id="processman.E004",
    hint="Correct it: runserver and other commands stop here, and a server runs the site without its processes.",
)
_BAD_RUN_DIR = partial(
    checks.Error, id="processman.E005",
    hint="Correct RUN_DIR of PROCESSMAN, or leave it out; a short path that only the user of the site may enter.",
)
_NO_MOUNT = partial(
    checks.Warning, id="processman.W001",
    hint='Add path("api/pm/", include("processman.contrib.django.urls")), or silence this check.',
)
_NO_DIRECTORY = partial(
    checks.Warning, id="processman.W002", hint="Make it, or correct DATA_DIR of PROCESSMAN.",
)


def check(**_: Any) -> list[checks.CheckMessage]:
    """Return what is wrong. Reads files, starts nothing."""
    try:
        config = conf.configuration()
    except ConfigError as error:
        return [_BAD_SETTINGS(str(error))]
    return [
        *_check_auth(), *_check_directory(config), *_check_run_dir(config), *_check_file(config), *_check_mount()
    ]


def _check_auth() -> Iterator[checks.CheckMessage]:
    try:
        hook = conf.auth()
    except ImportError as error:
        yield _BAD_AUTH(f"cannot import AUTH of PROCESSMAN: {error}")
        return
    if not callable(hook) or iscoroutinefunction(hook):
        yield _BAD_AUTH("cannot ask AUTH of PROCESSMAN: it is no plain function")
    elif hook in _FACTORIES:
        yield _BAD_AUTH("cannot ask AUTH of PROCESSMAN: it makes something, and decides about no request",
                        hint="For programs with tokens mount bearer_urls beside the other urls.")
    elif not _takes_a_request(hook):
        yield _BAD_AUTH("cannot ask AUTH of PROCESSMAN: it cannot be called with a request alone")


def _takes_a_request(hook: Callable[..., Any]) -> bool:
    try:
        signature(hook).bind(None)
    except TypeError:
        return False
    except ValueError:  # some builtins do not tell what they take
        pass
    return True


def _check_directory(config: Config) -> Iterator[checks.CheckMessage]:
    """A directory that was named and is not there is a slip; the usual one may be missing."""
    if "DATA_DIR" in getattr(settings, "PROCESSMAN", {}) and not Path(config.data_dir).exists():
        yield _NO_DIRECTORY(f"there is no directory {config.data_dir}")


def _check_run_dir(config: Config) -> Iterator[checks.CheckMessage]:
    if config.run_dir is None or config.engine == "local" or not hosts.has_keeper():
        return
    from ...place import Place  # not on every platform

    try:
        Place(config).check()
    except OSError as error:
        yield _BAD_RUN_DIR(f"cannot use RUN_DIR of PROCESSMAN: {error.filename}: {error.strerror}")


def _check_file(config: Config) -> Iterator[checks.CheckMessage]:
    if config.config_file is None:
        return
    data_dir = Path(config.data_dir)
    try:
        load(data_dir / config.config_file, data_dir=data_dir)
    except ConfigError as error:
        yield _BAD_FILE(str(error))


def _check_mount() -> Iterator[checks.CheckMessage]:
    if not getattr(settings, "ROOT_URLCONF", None):
        return  # a script that sets Django up, and no site
    if not _is_mounted("processman"):
        if not _is_mounted("processman-bearer"):
            yield _NO_MOUNT("the API of processman is not in the urls")
    elif conf.auth_name() == conf.DEFAULT_AUTH and not any(map(_authenticates, settings.MIDDLEWARE)):
        yield _NO_MIDDLEWARE("nobody can use the API of processman: MIDDLEWARE has nothing that authenticates")


def _is_mounted(namespace: str) -> bool:
    try:
        reverse(f"{namespace}:api", args=["list"])
    except NoReverseMatch:
        return False
    return True


def _authenticates(name: str) -> bool:
    try:
        middleware = import_string(name)
    except ImportError:
        return False  # Django says so itself, and better
    # by name: the class cannot be imported where the app that it belongs to is not installed
    bases = getattr(middleware, "__mro__", ())
    return any(f"{base.__module__}.{base.__qualname__}" == _MIDDLEWARE for base in bases)
