"""``processman pocketbase install``: the hook file, and what to do next."""
from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

from .. import hosts
from .._version import __version__
from ..config import Config
from ..pocketbase.hookfile import HookFile
from . import OK, USAGE, Failure


def install(arguments: Namespace) -> int:
    """Write the hook file, unless it is there just like this."""
    directory = project(arguments)
    if not hosts.has_keeper():
        raise Failure("cannot install: PocketBase's hook needs Linux or macOS; run `processman up` beside it")
    hook = HookFile(directory)
    watched = hook.path.parent.is_dir()
    changed = hook.install(bridge=arguments.bridge)
    print(f"{'wrote' if changed else 'nothing to do:'} {hook.path}: processman {__version__}, {sys.executable}")
    for line in _next(data_dir(arguments), watched=watched):
        print(line)
    return OK


def project(arguments: Namespace) -> Path:
    """Return where pb_hooks and pb_data are.

    :raises Failure: there is no such directory.
    """
    directory: Path = arguments.directory
    if not directory.is_dir():
        raise Failure(f"cannot {arguments.word} in {directory}: there is no such directory", USAGE)
    return directory


def data_dir(arguments: Namespace) -> Path:
    """Return PocketBase's data directory."""
    given: Path | None = arguments.dir
    return arguments.directory / "pb_data" if given is None else given


def _next(data: Path, *, watched: bool) -> list[str]:
    file = data / str(Config().config_file)
    running = "has seen the file already" if watched else "has to be restarted, for it had no pb_hooks to watch"
    configured = "has the processes" if file.exists() else "is where the processes go; there is no such file yet"
    return [
        f"{file} {configured}",
        f"start PocketBase as ever, `pocketbase serve`; one that runs {running}",
        "then open http://127.0.0.1:8090/_processman/, or the same path at your own address: it has your browser",
        "load PocketBase's dashboard anew, and shows the page of processes",
    ]
