"""``DIR/.processman``: who runs here, and the token that lets clients in."""
from __future__ import annotations

import json
import os
import re
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .. import private
from ..client import Unreachable, find
from ..manager import Manager
from . import USAGE, Failure, token_in

_TOKEN = re.compile(r"[!-~]{16,4096}")
_TRIES = 5
_PAUSE = 0.05
#: seconds that the end of everything may take beyond the longest stopTimeout
_BEYOND = 6


@contextmanager
def claim(directory: Path) -> Iterator[Path]:
    """Hold the lock of *directory* for as long as the block lasts; yield what we keep there.

    :raises Failure: there is no such directory, it is not ours, or somebody else holds it.
    """
    if not directory.is_dir():
        raise Failure(f"cannot run in {directory}: there is no such directory", USAGE)
    home = private.home(directory, make=True)
    fd = private.open_file(home / "lock", os.O_RDWR | os.O_CREAT)
    try:
        if not _lock(fd):
            raise Failure(f"cannot run in {directory}: {_holder(directory, home)}")
        yield home
    finally:
        os.close(fd)


def _lock(fd: int) -> bool:
    # a client that looks whether somebody holds the lock has it for a moment
    pause = threading.Event()
    return any(private.lock(fd) or pause.wait(_PAUSE) for _ in range(_TRIES))


def _holder(directory: Path, home: Path) -> str:
    try:
        client = find(directory)
        state = json.loads(private.read(home / "state.json"))
        pid = state["pid"]
    except (Unreachable, OSError, ValueError, LookupError):
        return "another manager is just starting there"
    # who leads for a PocketBase names its pid, and who runs one its address
    hosted = "the manager of PocketBase" if "host" in state else ""
    who = hosted or f"another `processman {'pocketbase run' if 'url' in state else 'up'}`"
    return f"{who} runs there: pid {pid}, {client.url}"


def token(home: Path, given: Path | None) -> tuple[str, Path]:
    """Return the token and the file that holds it: the one *given*, or our own, made when there is none.

    :raises Failure: the one given cannot be read, or holds none.
    """
    path = given or home / "token"
    if given is None:
        text = _own(path)
    else:
        text = token_in(given)
        if not _TOKEN.fullmatch(text):
            raise Failure(f"cannot use the token in {given}: it takes 16 printable ASCII characters", USAGE)
    return text, path.absolute()


def _own(path: Path) -> str:
    with suppress(FileNotFoundError):
        if _TOKEN.fullmatch(text := private.read(path).strip()):
            return text
    text = secrets.token_urlsafe(32)
    private.write(path, f"{text}\n")
    return text


@contextmanager
def announced(home: Path, address: str, token_file: Path, **more: object) -> Iterator[None]:
    """Let clients find *address* for as long as the block lasts, and whatever is to be said *more*."""
    path = home / "state.json"
    state = {"pid": os.getpid(), "address": address, "tokenFile": str(token_file), **more}
    private.write(path, json.dumps(state))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def patience(manager: Manager) -> int:
    """Return how many seconds the end of all that *manager* has may take, which clients are told, too."""
    return int(max((status.config.stop_timeout for status in manager.list()), default=0.0)) + _BEYOND
