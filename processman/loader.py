"""The configuration file: who may write it, strict JSON, the rules, and what comes of it."""
from __future__ import annotations

import json
import logging
import os
import re
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .config import NAMES, ProcessConfig
from .errors import ConfigError
from .problems import Problem, find, pointer_to, refuse

logger = logging.getLogger(__name__)

#: bytes
LIMIT = 1024 * 1024
_COMMA = re.compile(r"(?:,\s*(?=[\]}]))?")


class _Object(dict[str, object]):
    """A JSON object that knows which of its keys were given more than once."""

    def __init__(self, pairs: list[tuple[str, object]]) -> None:
        super().__init__(pairs)
        counts = Counter(name for name, _ in pairs) if len(pairs) > len(self) else {}
        self.repeated = [name for name, count in counts.items() if count > 1]


def load(path: Path, *, data_dir: Path) -> tuple[ProcessConfig, ...]:
    """Return the processes that the file *path* names; none if there is no such file.

    Relative working directories become absolute, from *data_dir*. The file is read once, as a whole.

    :raises ConfigError: everybody may write the file or a directory it lies in, it cannot be read, or it
        breaks rules; the message lists every problem, and no value.
    """
    try:
        content = _read(path, data_dir)
    except FileNotFoundError:
        logger.info("there is no configuration file %s", path)
        return ()
    except OSError as error:
        raise _refused(path, error.strerror or "it cannot be read") from error
    return tuple(_process(entry, data_dir) for entry in _checked(path, content))


def _refused(path: Path, why: str) -> ConfigError:
    return ConfigError(f"cannot load {path}: {why}", path=str(path))


def _process(entry: dict[str, Any], data_dir: Path) -> ProcessConfig:
    fields = {NAMES[key]: value for key, value in entry.items()}
    return ProcessConfig(**fields | {"cwd": _plain(os.path.abspath(data_dir), entry["cwd"])})


def _plain(data_dir: str, cwd: str) -> str:
    """Return *cwd* as seen from *data_dir*; ``..`` stays only where a link is on the way, for there it matters."""
    path = os.path.join(data_dir, cwd)
    plain = os.path.normpath(path)
    return plain if os.path.realpath(plain) == os.path.realpath(path) else str(Path(path))


def _read(path: Path, data_dir: Path) -> bytes:
    with open(path, "rb", opener=_at_once) as file:
        info = os.fstat(file.fileno())
        if not stat.S_ISREG(info.st_mode):
            raise _refused(path, "it is not a regular file")
        refuse(f"load {path}", _distrust(path, info, data_dir), path=str(path))
        content = file.read(LIMIT + 1)
    if len(content) > LIMIT:
        raise _refused(path, "it is larger than 1 MiB")
    return content


def _at_once(path: str, flags: int) -> int:
    # a FIFO in the place of the file must not be waited for
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _distrust(path: Path, info: os.stat_result, data_dir: Path) -> Iterator[Problem]:
    """Yield why what the file says may be somebody else's word. What only might be is logged."""
    if not hasattr(os, "geteuid"):  # Windows: the mode says nothing about who may write
        return
    _warn(path, info)
    if info.st_mode & stat.S_IWOTH:
        yield Problem("", f"everybody may write it; chmod o-w {path}")
    folders = {folder.resolve(): folder for folder in (path.resolve().parent, data_dir, path.parent)}
    for folder in filter(Path.is_dir, folders.values()):
        yield from _distrust_folder(folder, folder.stat(), ours=not _foreign(info))


def _distrust_folder(folder: Path, info: os.stat_result, *, ours: bool) -> Iterator[Problem]:
    _warn(folder, info)
    if not info.st_mode & stat.S_IWOTH:
        return
    if ours and info.st_mode & stat.S_ISVTX:
        # as in /tmp: others may add files, but neither replace nor remove this one
        logger.warning("everybody may add files to the directory %s", folder)
    else:
        yield Problem("", f"everybody may write the directory {folder}; chmod o-w {folder}")


def _warn(path: Path, info: os.stat_result) -> None:
    if info.st_mode & (stat.S_IWGRP | stat.S_IWOTH) == stat.S_IWGRP:
        logger.warning("the group may write %s, which says what is run", path)
    if _foreign(info):
        logger.warning("%s, which says what is run, belongs to user %d", path, info.st_uid)


def _foreign(info: os.stat_result) -> bool:
    return info.st_uid not in (0, os.geteuid())


def _checked(path: Path, content: bytes) -> list[dict[str, Any]]:
    try:
        document = json.loads(content.decode("utf-8-sig"), object_pairs_hook=_Object, parse_int=_integer)
        refuse(f"load {path}", _problems(document), path=str(path))
    except RecursionError:
        raise _refused(path, "it is nested too deeply") from None
    except UnicodeDecodeError as error:  # from None: these two carry the whole file, secrets and all
        raise _refused(path, f"it is not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise _refused(path, _syntax(error)) from None
    return document  # type: ignore[no-any-return]


def _integer(digits: str) -> int | float:
    # Python refuses thousands of digits without saying where; as a float the rules refuse it and say where
    return int(digits) if len(digits) < 20 else float(digits)


def _syntax(error: json.JSONDecodeError) -> str:
    """Say what is wrong and where; Python versions differ in both for a comma before a bracket."""
    if not error.doc.strip():
        return "it is empty"
    match = _COMMA.match(error.doc, error.pos)
    at = match.end() if match else error.pos
    line, column = error.doc.count("\n", 0, at) + 1, at - error.doc.rfind("\n", 0, at)
    return f"it is not JSON at line {line}, column {column}: {_mistake(error, at)}"


def _mistake(error: json.JSONDecodeError, at: int) -> str:
    here, before = error.doc[at:at + 1], error.doc[:at].rstrip()[-1:]
    if not here:
        return "it ends too early"
    if before == "," and here in "]}":
        return "there is a comma before the closing bracket"
    if here in "/#":
        return "JSON has no comments"
    if here == "'":
        return "strings stand in double quotes"
    return error.msg[0].lower() + error.msg[1:].removesuffix(" at").removesuffix(" starting")


def _problems(document: object) -> Iterator[Problem]:
    yield from find(document)
    if isinstance(document, list):
        yield from _repeated_keys(document)
        yield from _repeated_ids(document)


def _repeated_keys(document: list[object]) -> Iterator[Problem]:
    for index, entry in enumerate(document):
        if isinstance(entry, _Object):
            for path, inner in (((), entry), *(((key,), value) for key, value in entry.items())):
                for name in inner.repeated if isinstance(inner, _Object) else ():
                    yield Problem(pointer_to((index, *path, name)), "is given more than once")


def _repeated_ids(document: list[object]) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for index, entry in enumerate(document):
        id = entry.get("id") if isinstance(entry, _Object) else None
        if isinstance(id, str) and first.setdefault(id, index) != index:
            yield Problem(pointer_to((index, "id")), f"must be unique; it is that of /{first[id]}")
