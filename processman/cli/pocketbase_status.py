"""``processman pocketbase status``: whether hook, manager and PocketBase fit together and are reachable."""
from __future__ import annotations

import os
from argparse import Namespace
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlsplit

from .. import private
from .._version import __version__
from ..pocketbase.control import HOOK
from ..pocketbase.hookfile import HookFile
from ..pocketbase.turn import Holder
from . import FAILED, OK
from .output import print_json
from .pocketbase_install import data_dir, project

_TIMEOUT = 5.0


def status(arguments: Namespace) -> int:
    """Print a line for each; the exit code is 0 when all is well."""
    rows = _look(arguments)
    if arguments.json:
        print_json({name: {"ok": ok, "says": says} for name, ok, says in rows})
    else:
        for name, ok, says in rows:
            print(f"{name:<10} {'ok' if ok else 'not ok':<6} {says}")
    return OK if all(ok for _, ok, _ in rows) else FAILED


def _look(arguments: Namespace) -> list[tuple[str, bool, str]]:
    hook = HookFile(project(arguments))
    about: dict[str, Any] = {}
    with suppress(OSError):
        about = _about(Holder(private.home(data_dir(arguments))))
    works, said = _hook(hook)
    hint = "start PocketBase" if works else "mend the hook first"
    return [("hook", works, said), ("manager", *_manager(about, hint)),
            ("pocketbase", *_pocketbase(about.get("url")))]  # fmt: skip


def _about(holder: Holder) -> dict[str, Any]:
    """Return what *holder* says of itself, and whether it answers."""
    told = holder.ask("GET", HOOK)
    return {"error": holder.error, **holder.state(), **(told or {}), "answers": told is not None}


def _hook(hook: HookFile) -> tuple[bool, str]:
    hint = "install it: processman pocketbase install"
    version, python = hook.version(), hook.python()
    if python is not None and not os.access(python, os.X_OK):
        return False, f"its Python, {python}, is missing; {hint}"
    return _version(version, f"in {hook.path}", hint)


def _version(found: str | None, where: str, hint: str) -> tuple[bool, str]:
    if found is None:
        return False, f"missing; {hint}"
    if found != __version__:
        return False, f"version {found} {where}, but this is {__version__}; {hint}"
    return True, f"version {found} {where}"


def _manager(about: dict[str, Any], hint: str) -> tuple[bool, str]:
    if about.get("error"):
        return False, f"missing: {about['error']}"
    if "pid" not in about:
        return False, f"missing; {hint}"
    hosted = "host" in about
    if not about["answers"]:
        return False, f"it does not answer{'; PocketBase replaces it within two minutes' if hosted else ''}"
    if "url" not in about:
        return False, "something else runs processes in this data directory"
    where = f"for PocketBase with pid {about['host']}" if hosted else "in `processman pocketbase run`"
    return _version(about["version"], f"{where}, itself pid {about['pid']}", "start PocketBase again")


def _pocketbase(url: str | None) -> tuple[bool, str]:
    if url is None:
        return False, "its address is not known: a manager would tell it"
    try:
        with closing(HTTPConnection(urlsplit(url).netloc, timeout=_TIMEOUT)) as connection:
            connection.request("GET", "/api/health")
            status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        return False, f"cannot reach {url}: {error}"
    return status == 200, f"{url} answers with status {status}"
