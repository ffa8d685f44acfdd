"""What runs a script or command: which executable file, found where, and if there is none, why not."""
from __future__ import annotations

import os
import shutil
import stat
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .config import ProcessConfig

_PYTHON_IN_VENV = "Scripts/python.exe" if os.name == "nt" else "bin/python"
#: Tried in this order: with a slash below the cwd, without one on the PATH.
_PYTHON = (f".venv/{_PYTHON_IN_VENV}", f"venv/{_PYTHON_IN_VENV}", "python3")
_NODE = ("node",)
_TYPESCRIPT = ("node_modules/.bin/tsx", "node_modules/.bin/ts-node", "bun", "node")
_BY_SUFFIX = {
    ".py": _PYTHON,
    ".js": _NODE, ".mjs": _NODE, ".cjs": _NODE,
    ".ts": _TYPESCRIPT, ".mts": _TYPESCRIPT,
}


class NotFound(LookupError):
    """*program*, as it was asked for, cannot be executed; *why* says it in words."""

    def __init__(self, program: str, why: str) -> None:
        super().__init__(why)
        self.program = program
        self.why = why


class Interpreter(NamedTuple):
    """What stands before the script in *argv*; nothing where the script itself is executed."""

    argv: tuple[str, ...] = ()
    #: to show: a path, or the bare name when the PATH decided
    display: str = ""
    #: the virtual environment it belongs to
    venv: str | None = None


def choose(config: ProcessConfig, path: str) -> Interpreter:
    """Find the interpreter for the script of *config*; *path* is the PATH that the child gets.

    :raises NotFound: there is none that can be executed.
    """
    if config.interpreter not in ("", "auto"):
        return _asked(config.interpreter, config.cwd, path)
    script = located(config.script or "", config.cwd)
    names = _BY_SUFFIX.get(Path(script).suffix.lower())
    if names is None and not unusable(script):
        return Interpreter()
    return _first(names or _PYTHON, config.cwd, path)


def find(program: str, cwd: str, path: str) -> str:
    """Return the file that *program* names: with a slash below *cwd*, without one on *path*.

    :raises NotFound: there is none that can be executed.
    """
    if is_path(program):
        target = located(program, cwd)
        if why := unusable(target):
            raise NotFound(program, why)
        return target
    if found := shutil.which(program, path=_places(path, cwd)):
        return found
    raise NotFound(program, "it is not on the PATH")


# Both are asked at every restart, and words about paths cost more than the look at the disk.
@lru_cache(maxsize=1024)
def located(path: str, cwd: str) -> str:
    """Return *path* as seen from *cwd*. Links and ``..`` stay: a venv's Python must not become its target."""
    return str(Path(cwd, path))


@lru_cache(maxsize=1024)
def _places(path: str, cwd: str) -> str:
    """Return *path* as the child sees it: a relative entry means its directory, not ours."""
    return os.pathsep.join(str(Path(cwd, place)) for place in path.split(os.pathsep))


def missing(path: str) -> str:
    """Return why there is no file *path*, or ``""``."""
    try:
        mode = Path(path).stat().st_mode
    except FileNotFoundError:
        return "it is a link to nowhere" if Path(path).is_symlink() else "there is no such file"
    except OSError as error:
        return words(error)
    return "it is a directory" if stat.S_ISDIR(mode) else ""


def unusable(path: str) -> str:
    """Return why the file *path* cannot be executed, or ``""``."""
    return missing(path) or ("" if os.access(path, os.X_OK) else "it may not be executed (no x permission)")


def words(error: OSError) -> str:
    """Return what the system said, without the path it said it about."""
    return (error.strerror or type(error).__name__).lower()


def is_path(program: str) -> bool:
    """Tell whether *program* is a path; a bare name is looked for on the PATH."""
    return "/" in program or os.sep in program


def _asked(program: str, cwd: str, path: str) -> Interpreter:
    found = find(program, cwd, path)
    if not is_path(program):
        return Interpreter((found,), program)
    root = Path(found).parent.parent
    return Interpreter((found,), found, str(root) if (root / "pyvenv.cfg").exists() else None)


def _first(names: tuple[str, ...], cwd: str, path: str) -> Interpreter:
    for name in names:
        try:
            found = find(name, cwd, path)
        except NotFound:
            continue
        if not is_path(name):
            return Interpreter((found,), name)
        return Interpreter((found,), found, str(Path(found).parent.parent) if names is _PYTHON else None)
    *others, last = names
    nor = f", and there is no {' or '.join(others)}" if others else ""
    raise NotFound(last, f"it is not on the PATH{nor}")
