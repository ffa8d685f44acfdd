"""The manager's configuration as frameworks have it: a dictionary among the settings of the application."""
from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import fields
from typing import Any

from ..config import Config, StrPath
from ..problems import Problem, pointer_to, refuse, unknown

KEYS = tuple(field.name for field in fields(Config))


def configuration(given: Mapping[str, Any], *, name: str, home: StrPath, data_dir: StrPath) -> Config:
    """Make a :class:`Config` of what is *given* under *name*.

    :param home: what a relative ``data_dir`` or ``run_dir`` starts from; a server's current directory may be any.
    :param data_dir: the one to use when none is given.
    :raises ConfigError: a key is unknown, or a value impossible.
    """
    refuse(f"configure the manager by {name}", problems(given))
    options = {"data_dir": data_dir, **given}
    for key in ("data_dir", "run_dir"):
        if isinstance(options.get(key), (str, os.PathLike)) and options[key]:
            options[key] = os.path.join(home, options[key])
    return Config(**options)


def problems(given: object, keys: Collection[str] = KEYS) -> Iterator[Problem]:
    """Find what in *given* is no dictionary with some of *keys*."""
    if not isinstance(given, Mapping):
        yield Problem("", "must be a dictionary with keys of Config")
        return
    for key in given:
        if key not in keys:
            yield Problem(pointer_to([key])[1:], unknown(str(key), keys))
