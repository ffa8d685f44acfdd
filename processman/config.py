"""What can be configured: the manager (:class:`Config`) and one process (:class:`ProcessConfig`)."""
from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from . import duration
from .problems import Problem, find, refuse

StrPath = str | os.PathLike[str]


@dataclass(frozen=True, slots=True, kw_only=True, init=False)
class Config:
    """How a :class:`~processman.Manager` works.

    :raises ConfigError: a value is impossible.
    """

    #: where the configuration lies, and what relative paths in it start from
    data_dir: str
    #: relative to *data_dir*; ``None``: no file
    config_file: str | None
    #: what children see as ``PB_PORT``
    port: int
    #: hot reload of every process that does not say otherwise
    dev: bool
    #: ``"local"``: children of this process; ``"keeper"``: of a small program that outlives it, so that one of
    #: many workers can lead; ``"auto"``: the keeper in the integrations where the platform has it, else local
    engine: str
    #: with the keeper, where the leading Manager lives: ``"inprocess"`` or ``"process"``
    owner: str
    #: with the keeper, seconds that processes outlive the last of their hosts; ``None``: 3 where something
    #: starts the next one (a supervisor of workers, a reloader), else 0
    linger: float | None
    #: where the keeper's socket lies; ``None``: ``PROCESSMAN_RUN_DIR``, ``XDG_RUNTIME_DIR`` or below ``/tmp``
    run_dir: str | None

    def __init__(
        self,
        *,
        data_dir: StrPath = "pb_data",
        config_file: StrPath | None = "pb_processes.json",
        port: int = 8090,
        dev: bool = False,
        engine: str = "auto",
        owner: str = "inprocess",
        linger: float | None = None,
        run_dir: StrPath | None = None,
    ) -> None:
        given = {
            "data_dir": data_dir, "config_file": config_file, "port": port, "dev": dev,
            "engine": engine, "owner": owner, "linger": linger, "run_dir": run_dir,
        }
        for name, value in given.items():
            object.__setattr__(self, name, _frozen(value))
        refuse("configure the manager", self._problems())

    def _problems(self) -> Iterator[Problem]:
        if not _is_path(self.data_dir):
            yield Problem("data_dir", "must be a path that is not empty")
        if self.config_file is not None and not _is_path(self.config_file):
            yield Problem("config_file", "must be None or a path that is not empty")
        if not isinstance(self.port, int) or isinstance(self.port, bool) or not 1 <= self.port <= 65535:
            yield Problem("port", "must be an integer from 1 to 65535")
        if not isinstance(self.dev, bool):
            yield Problem("dev", "must be True or False")
        for name, words in _WORDS.items():
            if getattr(self, name) not in words:
                yield Problem(name, f"must be one of {', '.join(words)}")
        if self.linger is not None and not _is_seconds(self.linger):
            yield Problem("linger", "must be None or a number of seconds from 0 to 3600")
        if self.run_dir is not None and not _is_path(self.run_dir):
            yield Problem("run_dir", "must be None or a path that is not empty")


@dataclass(frozen=True, slots=True, kw_only=True, init=False)
class ProcessConfig:
    """One process. A wrong one cannot be made.

    ::

        ProcessConfig(id="agent", script="agent.py", cwd="./agents", max_retries=-1)

    ``dataclasses.replace`` makes a changed copy. Durations are seconds once they are here.

    :param backoff: a duration: ``"500ms"``, a number of seconds, or a ``timedelta``; so is *stop_timeout*.
    :raises ConfigError: a rule is broken; the message lists every one, and no value.
    """

    #: unique; ASCII letters, digits and ``. _ -``
    id: str
    #: run by an interpreter, relative to *cwd*; either this or *command*
    script: str | None
    #: a program, relative to *cwd* if it holds a slash, else looked for on the child's PATH
    command: str | None
    #: passed as they are, no shell. Not shown: arguments may be secrets
    args: tuple[str, ...] = field(repr=False)
    #: working directory
    cwd: str
    #: added to the host's environment, read-only. Not shown: values may be secrets
    env: Mapping[str, str] = field(repr=False)
    #: what runs the script; ``"auto"`` looks for it at every start
    interpreter: str
    #: retries in a row before giving up; -1 never gives up, 0 never retries
    max_retries: int
    #: seconds before the first retry; doubles with every failure in a row, up to 30
    backoff: float
    #: hot reload; ``None``: as :attr:`Config.dev` says
    dev_mode: bool | None
    #: files or folders, relative to *cwd*; none: *cwd*
    watch_paths: tuple[str, ...]
    #: glob patterns of what is not watched
    watch_ignore: tuple[str, ...]
    #: ``always``, ``on-failure`` or ``never``
    restart: str
    #: exit codes that are no failure
    success_exit_codes: tuple[int, ...]
    #: what asks it to end
    stop_signal: str
    #: seconds that it may take to end before it is killed
    stop_timeout: float
    #: start it with the rest
    autostart: bool
    #: what goes into PocketBase's logs: ``all``, ``stderr``, ``events`` or ``none``; ``None``: as it is installed
    bridge_logs: str | None

    # dicts of strings may be compared, not hashed
    __hash__ = None  # type: ignore[assignment]

    def __init__(
        self,
        *,
        id: str,
        script: StrPath | None = None,
        command: StrPath | None = None,
        args: Sequence[StrPath] = (),
        cwd: StrPath = ".",
        env: Mapping[str, str] = MappingProxyType({}),
        interpreter: StrPath = "auto",
        max_retries: int = 10,
        backoff: str | float | timedelta = 1.0,
        dev_mode: bool | None = None,
        watch_paths: Sequence[StrPath] = (),
        watch_ignore: Sequence[str] = (),
        restart: str = "always",
        success_exit_codes: Sequence[int] = (0,),
        stop_signal: str = "SIGTERM",
        stop_timeout: str | float | timedelta = 10.0,
        autostart: bool = True,
        bridge_logs: str | None = None,
    ) -> None:
        given = locals()  # the arguments, by name; this line stays the first
        values = {name: _frozen(given[name]) for name in KEYS}
        _check(values)
        values |= {"backoff": duration.seconds(backoff), "stop_timeout": duration.seconds(stop_timeout)}
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __reduce__(self) -> tuple[object, ...]:
        # a read-only mapping cannot be pickled
        return _remade, ({name: getattr(self, name) for name in KEYS} | {"env": dict(self.env)},)


def _camel(name: str) -> str:
    return re.sub("_(.)", lambda match: match[1].upper(), name)


#: Every key of a process: its name in Python and its name in JSON.
KEYS: Mapping[str, str] = MappingProxyType({each.name: _camel(each.name) for each in fields(ProcessConfig)})
#: The same, from JSON to Python.
NAMES: Mapping[str, str] = MappingProxyType({key: name for name, key in KEYS.items()})

# what was left at its default keeps the rules and need not be held against them; cwd the file must name
_DEFAULTS = dict(ProcessConfig.__init__.__kwdefaults__ or {})
del _DEFAULTS["cwd"]
_DURATIONS = ("backoff", "stop_timeout")


def _frozen(value: object) -> object:
    """Return a copy of *value* that nobody can change. What has the wrong type is left for the rules."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, (list, tuple)):
        return tuple(_frozen(item) for item in value)
    if isinstance(value, Mapping):
        return MappingProxyType(dict(value))
    return value


def _check(values: Mapping[str, object]) -> None:
    """Hold *values* against the rules of the file, which are the rules of code as well."""
    document = {KEYS[name]: _spelled(value) if name in _DURATIONS else value
                for name, value in values.items() if value is not _DEFAULTS.get(name, ...)}
    problems = [_in_code(problem) for problem in find([document])]
    wrong_id = any(problem.pointer == "id" for problem in problems)
    refuse("configure a process" if wrong_id else f"configure process {values['id']!r}", problems)


def _spelled(value: object) -> object:
    try:
        return duration.text(duration.seconds(value))  # type: ignore[arg-type]
    except ValueError:
        return value  # the rules say what is wrong with it


def _in_code(problem: Problem) -> Problem:
    key, slash, rest = problem.pointer.removeprefix("/0").removeprefix("/").partition("/")
    return Problem(NAMES.get(key, key) + slash + rest, problem.rule)


_WORDS = {"engine": ("auto", "local", "keeper"), "owner": ("inprocess", "process")}


def _is_seconds(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 3600


def _is_path(value: object) -> bool:
    return isinstance(value, str) and value != "" and "\0" not in value


def _remade(values: dict[str, Any]) -> ProcessConfig:
    """Make what was pickled, which kept the rules when it was made."""
    made = object.__new__(ProcessConfig)
    for name, value in values.items():
        object.__setattr__(made, name, MappingProxyType(value) if name == "env" else value)
    return made
