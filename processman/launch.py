"""From a configuration to one spawn: everything resolved and checked, and what went wrong told in words."""
from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from .engine import Launch
from .environment import UnsetVariable, child_environment, enter_venv, expand, inherited, references
from .errors import ProcessmanError
from .interpreter import Interpreter, NotFound, choose, find, is_path, located, missing, unusable, words
from .masking import Redactor, mask_text, secret_name, secrets_in

if TYPE_CHECKING:
    from .config import ProcessConfig

#: ``invalid`` is wrong until somebody changes it; ``missing`` is as hopeless only where it never worked yet.
Kind = Literal["invalid", "missing", "transient"]
Redact = Callable[[str], str]


class LaunchError(ProcessmanError):
    """A run could not be spawned. The message is all that a user needs, its secrets masked.

    *redact* masks what was resolved before it went wrong.
    """

    def __init__(self, message: str, kind: Kind, *, redact: Redact = str) -> None:
        super().__init__(message)
        self.kind = kind
        self.redact = redact


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """One spawn, ready, and what others may know of it."""

    launch: Launch = field(repr=False)
    #: as it may be shown; ``""`` for a command, and for a script that is executed itself
    interpreter: str
    redact: Redact


def prepare(
    config: ProcessConfig, *, templated: bool,
    host: Mapping[str, str], port: int, data_dir: str, instance: str, run: int,
) -> Prepared:
    """Resolve what *config* says for run number *run*; its ``cwd`` and *data_dir* are absolute.

    :param templated: the values of its ``env`` come from a file and may hold ``${VAR}``.
    :raises LaunchError: it is no use to try, and why.
    """
    base = inherited(host)
    own, unset = _resolve(config.env, base) if templated else (dict(config.env), "")
    redact = Redactor(_secrets(config, own, base if templated else None))
    if unset:
        raise LaunchError(unset, "invalid", redact=redact)
    _check_possible(config, own, redact)
    if why := _no_directory(config.cwd):
        raise _failure("enter cwd", config.cwd, why, redact)
    env = child_environment(
        base, own, port=port, data_dir=data_dir, process_id=config.id, run=run, instance=instance
    )
    argv, chosen = _program(config, env.get("PATH", os.defpath), redact)
    if chosen.venv is not None:
        enter_venv(env, chosen.venv, str(Path(argv[0]).parent))
    launch = Launch(
        argv=(*argv, *config.args), cwd=config.cwd, env=env, instance=instance, id=config.id, run=run,
        stop_signal=config.stop_signal, stop_timeout=config.stop_timeout,
    )
    return Prepared(launch=launch, interpreter=chosen.display, redact=redact)


def _resolve(templates: Mapping[str, str], host: Mapping[str, str]) -> tuple[dict[str, str], str]:
    own: dict[str, str] = {}
    unset: list[str] = []
    for name, template in templates.items():
        try:
            own[name] = expand(template, host)
        except UnsetVariable as error:
            unset.append(f"cannot expand env {name!r}: {error}")
    return own, "; ".join(unset)


def _secrets(config: ProcessConfig, own: Mapping[str, str], host: Mapping[str, str] | None) -> set[str]:
    """Return what is secret in this run; *host* is what its templates were expanded from."""
    secrets: set[str] = set()
    for name, value in own.items():
        secrets.update((value,) if secret_name(name) else secrets_in(value))
    for name, template in config.env.items() if host is not None else ():
        for variable, default in references(template):
            if secret_name(variable):
                secrets.add((host or {}).get(variable, ""))
            if secret_name(variable) or secret_name(name):
                secrets.add(default or "")
    return secrets - {config.id}


def _check_possible(config: ProcessConfig, own: Mapping[str, str], redact: Redact) -> None:
    """Find what no system call takes while it still has a name."""
    values = {
        "script": config.script or "", "command": config.command or "", "cwd": config.cwd,
        "interpreter": config.interpreter,
        **{f"argument {number}": value for number, value in enumerate(config.args, 1)},
        **{f"env {name!r}": value for name, value in own.items()},
    }
    for what, value in values.items():
        if why := _impossible(value):
            raise LaunchError(f"cannot pass {what}: {why}", "invalid", redact=redact)


def _impossible(value: str) -> str:
    if "\0" in value:
        return "it holds a NUL character"
    try:
        os.fsencode(value)
    except UnicodeEncodeError:
        return "it holds a character that cannot be encoded (a lone surrogate)"
    return ""


def _no_directory(path: str) -> str:
    why = missing(path)
    if why == "it is a directory":
        return "" if os.access(path, os.X_OK) else "permission denied"
    return why.replace("file", "directory") or "it is not a directory"


def _program(config: ProcessConfig, path: str, redact: Redact) -> tuple[tuple[str, ...], Interpreter]:
    role = "command" if config.script is None else "script"
    try:
        if config.script is None:
            return (find(config.command or "", config.cwd, path),), Interpreter()
        script = located(config.script, config.cwd)
        if why := missing(script):
            raise NotFound(config.script, why)
        role = "interpreter"
        chosen = choose(config, path)
        return (*chosen.argv, script), chosen
    except NotFound as error:
        name = mask_text(redact(error.program))  # before it becomes a path, which loses double slashes
        where = located(name, config.cwd) if role == "script" or is_path(name) else name
        hint = f"; the {role} is one file, what follows it goes into args" if " " in name else ""
        raise _failure(f"find {role}", where, error.why + hint, redact) from None


def _failure(do: str, what: str, why: str, redact: Redact, kind: Kind = "missing") -> LaunchError:
    return LaunchError(f"cannot {do} {_shown(what, redact)}: {why}", kind, redact=redact)


def _shown(text: str, redact: Redact) -> str:
    return repr(mask_text(redact(text)))  # masked first: repr() may change how a secret looks


#: A file is not what it has to be. All else is the state of the system, and may pass.
_FILE_TROUBLE = frozenset({
    errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.ELOOP,
    errno.ENAMETOOLONG, errno.ENOEXEC,
})


def explain(error: Exception, launch: Launch, redact: Redact) -> LaunchError:
    """Say in words what kept *launch* from being spawned, and which thing is to blame."""
    program = launch.argv[0]
    if not isinstance(error, OSError):
        said = mask_text(redact(str(error)))
        # a RuntimeError, such as of the keeper or of threads, says all in its words
        name = "" if said and type(error) is RuntimeError else type(error).__name__
        why = ": ".join(filter(None, (name, said)))
        kind: Kind = "invalid" if isinstance(error, (ValueError, TypeError)) else "transient"
        return _failure("start", program, why, redact, kind)
    if error.errno == errno.E2BIG:
        return _failure("start", program, _longest(launch), redact, "invalid")
    if error.errno in _FILE_TROUBLE:
        return _blame(error, launch, redact)
    code = errno.errorcode.get(error.errno or 0, "no error number")
    return _failure("start", program, f"{words(error)} ({code})", redact, "transient")


def _longest(launch: Launch) -> str:
    sizes = {
        **{f"argv[{number}]": len(os.fsencode(value)) for number, value in enumerate(launch.argv)},
        **{f"env {name!r}": len(os.fsencode(value)) for name, value in launch.env.items()},
    }
    what = max(sizes, key=sizes.__getitem__)
    return f"arguments and environment are too long for the system (longest: {what}, {sizes[what]} bytes)"


def _blame(error: OSError, launch: Launch, redact: Redact) -> LaunchError:
    """Find what the system does not say: it answers alike for a file, its directory and its first line."""
    program = launch.argv[0]
    if why := _no_directory(launch.cwd):
        return _failure("enter cwd", launch.cwd, why, redact)
    if why := unusable(program):
        return _failure("execute", program, why, redact)
    return _failure("execute", program, _first_line(program, redact) or words(error), redact)


def _first_line(program: str, redact: Redact) -> str:
    """Return what is wrong with how the file *program* begins, or ``""``."""
    try:
        with Path(program).open("rb") as file:
            start = file.read(256)
    except OSError as error:
        return words(error)
    line = start.partition(b"\n")[0]
    if not line.startswith(b"#!"):
        return "" if b"\0" in start else "it has no #! line and is no program" if start else "it is empty"
    if line.endswith(b"\r"):
        return "its #! line ends with CRLF, save it with LF line ends"
    named = os.fsdecode(b"".join(line[2:].split()[:1]))
    if not named:
        return "its #! line names nothing"
    why = unusable(named)
    return f"its #! line names {_shown(named, redact)}: {why}" if why else ""
