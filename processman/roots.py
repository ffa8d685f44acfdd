"""Which files count for one process: its roots, without what is ignored below them."""
from __future__ import annotations

import fnmatch
import glob
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

#: Names that are never a change, nor is anything below them.
IGNORED = (
    ".*", "__pycache__", "node_modules", "venv", "dist", "build", "*.py[cod]", "*.log", "*.pid", "*.sock",
    "*.tmp", "*~", "*.sw?", "4913", "*.db*", "*.sqlite*",
)  # fmt: skip


class Seen(NamedTuple):
    """One event: *kind* is ``created``, ``modified``, or ``moved``: away, in, or lost with no path."""

    path: str
    directory: bool
    kind: str


def pocketbase_files(data_dir: Path) -> tuple[str, ...]:
    """Return patterns for what PocketBase writes in its data directory, beside its databases."""
    base = glob.escape(os.path.realpath(data_dir))
    return tuple(os.path.join(base, name) for name in ("storage", "backups", "types.d.ts"))


def entries(directory: str) -> list[tuple[str, bool]]:
    """List the paths in *directory*, each with whether it is one itself."""
    try:
        with os.scandir(directory) as found:
            return [(each.path, each.is_dir(follow_symlinks=False)) for each in found]
    except OSError:  # gone, or not ours to read: then it cannot be watched either, and that is told
        return []


def _any(patterns: Iterable[str]) -> re.Pattern[str]:
    case = re.IGNORECASE if os.path.normcase("A") == "a" else re.NOFLAG
    return re.compile("|".join(map(fnmatch.translate, patterns)) or "(?!)", case)


def _nearest(directory: str) -> str:
    while not os.path.isdir(directory) and directory != os.path.dirname(directory):
        directory = os.path.dirname(directory)
    return directory


class Roots:
    """Files and directories, there or not, followed if they are symbolic links.

    A pattern of *ignore* is for a name, for a path from the root, or for a whole path.
    """

    def __init__(self, roots: Sequence[Path], ignore: Sequence[str]) -> None:
        own = [pattern.replace(os.sep, "/").removeprefix("./").rstrip("/") for pattern in ignore]
        self._names = _any([*IGNORED, *own])
        self._paths = _any([*own, *(pattern.removeprefix("**/") for pattern in own)])
        given = [os.path.split(os.path.abspath(root)) for root in roots]
        self._given = [os.path.join(os.path.realpath(parent), name) for parent, name in given]
        self._all: tuple[str, ...] = ()

    def needs(self, recursive: bool) -> Iterator[tuple[str, bool]]:
        """Find the directories to watch now, and with how much: each root with its tree, and where it is named.

        *recursive* is whether a tree can be watched as a whole.
        """
        reals = dict.fromkeys(map(os.path.realpath, self._given))
        self._all = tuple(dict.fromkeys([*self._given, *reals]))
        for root in self._all:  # without its parent, or what is left of that, nobody would tell that it comes
            yield _nearest(os.path.dirname(root)), False
        for root in filter(os.path.isdir, reals):
            trees = [root] if recursive else self._tree(root)
            yield from ((path, recursive) for path in trees)

    def _tree(self, root: str) -> Iterator[str]:
        found = [root]
        for directory in found:  # it grows; nearest to the root first, so that a limit hits the depth
            yield directory
            inner = (path for path, is_directory in entries(directory) if is_directory)
            found += [path for path in inner if not self._ignored(root, path)]

    def _ignored(self, root: str, path: str) -> bool:
        base, whole = (each.replace(os.sep, "/").rstrip("/") for each in (root, path))
        part = ""
        for name in whole[len(base) + 1 :].split("/"):
            part = f"{part}/{name}"
            if self._names.match(name) or self._paths.match(part[1:]) or self._paths.match(base + part):
                return True
        return False

    def counts(self, path: str) -> bool:
        """Return whether *path* is a root, whatever it is called, or below one and not ignored."""
        return any(
            path == root or (path.startswith(os.path.join(root, "")) and not self._ignored(root, path))
            for root in self._all
        )

    def concerns(self, seen: Seen) -> bool:
        """Return whether *seen* may change what :meth:`needs` finds."""
        if seen.kind == "modified":
            return False
        below = os.path.join(seen.path, "")
        leads_to_root = any(root == seen.path or root.startswith(below) for root in self._all)
        return leads_to_root or (seen.directory and self.counts(seen.path))

    def inside(self, directory: str) -> Iterator[Seen]:
        """List what is in *directory*, and below it where that counts."""
        for each in self._tree(directory) if self.counts(directory) else [directory]:
            for path, is_directory in entries(each):
                yield Seen(path, is_directory, "created")
