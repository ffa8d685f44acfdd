"""The shape of the package: floors, no cycles, one door for each foreign package, manners of a library.

A new module goes into FLOORS; design decisions are changed here first, and in docs/architecture.md.
"""
from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import ROOT

PACKAGE = ROOT / "processman"

#: a module imports from its own floor and from lower ones; a name stands for the package of that name, too
FLOORS = {
    0: """_version config debounce duration environment errors events failures lifecycle lines
    masking private problems
          restart schema signals states""",
    1: """bridge caller channel child configured desk engine filewatch foreground hosts inbox interpreter journal
          keeper kept launch lease ledger leftovers loader local observers orphans owner place reader roots
          signpost sources spool table tree visit waiters wake""",
    2: "supervisor managed",
    3: "followers life manager registry relay runtime",
    4: "__init__",
    5: "autostart cli client contrib middleware pocketbase testing wsgi",
    6: "__main__",
}
FLOOR = {name: floor for floor, names in FLOORS.items() for name in names.split()}

#: what only these modules may import or call; a name stands for everything below it
DOORS = {
    "jsonschema": {"problems"},
    "psutil": {"table", "tree"},
    "subprocess": {"local", "keeper", "place"},
    "watchdog": {"sources"},
    "werkzeug": {"wsgi"},
    "multiprocessing": set(),
    "asyncio": set(),
    "signal.signal": {"foreground", "keeper"},
    "signal.set_wakeup_fd": {"foreground", "keeper"},
    "signal.setitimer": set(),
    "signal.alarm": set(),
    "sys.exit": {"cli", "__main__", "keeper"},
    "SystemExit": {"cli", "__main__", "keeper", "contrib"},
    "os._exit": {"cli", "keeper"},
    "os.fork": {"cli.owner", "keeper"},
    "os.system": set(),
    "os.popen": set(),
    "os.posix_spawn": {"local"},
    "os.wait": set(),
    "os.waitpid": {"keeper", "local", "orphans"},
    "os.chdir": set(),
    "os.umask": set(),
    "time.sleep": set(),
}


def module_name(path: Path) -> str:
    """Name a file below the package as its imports do: ``wsgi/app.py`` is ``wsgi.app``."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


SOURCES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(), str(path)) for name, path in SOURCES.items()}
EVERY_MODULE = pytest.mark.parametrize("name", SOURCES)


def for_types_only(tree: ast.Module) -> set[ast.stmt]:
    """Return the statements under ``if TYPE_CHECKING``."""
    guards = (node for node in ast.walk(tree) if isinstance(node, ast.If))
    guarded = (guard for guard in guards if ast.unparse(guard.test).endswith("TYPE_CHECKING"))
    return {inner for guard in guarded for statement in guard.body for inner in ast.walk(statement)
            if isinstance(inner, ast.stmt)}


def absolute(name: str, node: ast.ImportFrom) -> str:
    """Resolve a relative import to a dotted name that begins with the package's."""
    if node.level == 0:
        return node.module or ""
    path = SOURCES[name]
    here = ["processman", *path.relative_to(PACKAGE).parent.parts]
    base = here[: len(here) - node.level + 1]
    return ".".join([*base, *filter(None, [node.module])])


def imports(name: str, *, types: bool = True) -> Iterator[str]:
    """Yield the dotted names that module *name* imports, such as ``processman.errors.ConfigError``."""
    unread = set() if types else for_types_only(TREES[name])
    for node in ast.walk(TREES[name]):
        if node in unread:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{absolute(name, node)}.{alias.name}" for alias in node.names)


def own_imports(name: str, *, types: bool = True) -> set[str]:
    """Return which modules of ours module *name* imports."""
    found = set()
    for dotted in imports(name, types=types):
        if dotted.split(".")[0] == "processman":
            inner = dotted.removeprefix("processman").removeprefix(".").split(".")
            known = (".".join(inner[:length]) for length in range(len(inner), 0, -1))
            found.add(next((module for module in known if module in SOURCES or module in FLOOR), "__init__"))
    return found - {name}


def aliases(name: str) -> dict[str, str]:
    """Return what each imported name in module *name* stands for."""
    meaning: dict[str, str] = {}
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Import):
            meaning |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom):
            origin = absolute(name, node)
            meaning |= {alias.asname or alias.name: f"{origin}.{alias.name}" for alias in node.names}
    return meaning


@functools.cache
def uses(name: str) -> set[str]:
    """Return every dotted name that module *name* imports or refers to, whatever it calls it."""
    meaning, found = aliases(name), set(imports(name, types=False))
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Name | ast.Attribute):
            first, _, rest = ast.unparse(node).partition(".")
            found.add(f"{meaning.get(first, first)}{'.' * bool(rest)}{rest}")
    return found


def within(name: str, places: set[str]) -> bool:
    """Say whether dotted *name* is one of *places*, or below one."""
    return any(name == place or name.startswith(place + ".") for place in places)


def floor(name: str) -> int:
    """Return the floor of module *name*."""
    return FLOOR[name.split(".")[0]]


@EVERY_MODULE
def test_module_has_a_floor_and_imports_no_higher_one(name: str) -> None:
    assert name.split(".")[0] in FLOOR, f"put {name} on a floor of FLOORS"
    higher = {other for other in own_imports(name) if floor(other) > floor(name)}
    assert not higher, f"{name} is on floor {floor(name)}"


def test_no_module_imports_itself_in_a_circle() -> None:
    reached = {name: own_imports(name, types=False) for name in SOURCES}
    for _ in range(len(FLOORS) + 3):  # each round doubles how far it sees
        for below in reached.values():
            below.update(*(reached.get(other, ()) for other in tuple(below)))
    assert not {name for name, below in reached.items() if name in below}


@pytest.mark.parametrize("door", DOORS)
def test_each_foreign_thing_has_one_door(door: str) -> None:
    users = {name for name in SOURCES if any(within(used, {door}) for used in uses(name))}
    assert not {name for name in users if not within(name, DOORS[door])}


def test_core_never_imports_contrib() -> None:
    outside = (name for name in SOURCES if not within(name, {"contrib", "pocketbase"}))
    assert not [name for name in outside if any(within(other, {"contrib"}) for other in own_imports(name))]


def test_keeper_imports_nothing_of_ours() -> None:
    assert not {other for name in SOURCES.keys() & {"keeper"} for other in own_imports(name)}


@EVERY_MODULE
def test_module_says_its_concept_first_and_stays_small(name: str) -> None:
    lines = SOURCES[name].read_text().splitlines()
    assert ast.get_docstring(TREES[name]), f"the first line of {name} says its one concept"
    # the keeper runs on its own, so it cannot be two: without its words it is as small
    assert len(lines) - (words(name) if name == "keeper" else 0) <= 400, f"{name} is asking to be two"


def words(name: str) -> int:
    """Return how many lines of a module are empty, comments or docstrings."""
    lines = SOURCES[name].read_text().splitlines()
    said = {number for number, line in enumerate(lines, 1) if not line.strip() or line.lstrip().startswith("#")}
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            said.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(said)


def test_the_rules_see_what_they_forbid(monkeypatch: pytest.MonkeyPatch) -> None:
    source = """
import signal as s
from time import sleep as nap
import werkzeug.wrappers
from .supervisor import Supervisor
from . import manager
def f() -> None:
    s.signal(1, 2); nap(1)
    if f: raise SystemExit(3)
"""
    monkeypatch.setitem(SOURCES, "wrong", PACKAGE / "wrong.py")
    monkeypatch.setitem(TREES, "wrong", ast.parse(source))
    used = uses("wrong")
    assert {"signal.signal", "time.sleep", "SystemExit", "werkzeug.wrappers"} <= used
    assert own_imports("wrong") == {"supervisor", "manager"}
