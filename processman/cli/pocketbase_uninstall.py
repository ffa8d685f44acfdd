"""``processman pocketbase uninstall``: the hook file goes, what it started, and all that is ours."""
from __future__ import annotations

import shutil
from argparse import Namespace
from pathlib import Path

from .. import private
from ..pocketbase.control import HOOK
from ..pocketbase.hookfile import HookFile
from ..pocketbase.turn import Holder, locked
from . import OK, Failure
from .pocketbase_install import data_dir, project


def uninstall(arguments: Namespace) -> int:
    """Remove the hook file, end what the manager leads, and remove its folder."""
    hook = HookFile(project(arguments))
    # the file first: PocketBase would start another manager
    print(f"removed {hook.path}" if hook.uninstall() else f"there is no {hook.path}")
    try:
        home = private.home(data_dir(arguments))
    except FileNotFoundError:
        return OK
    _end(home)
    with locked(home) as free:
        if not free:
            raise Failure(f"cannot remove {home}: a manager runs there that PocketBase did not start; end it first")
        shutil.rmtree(home)
    print(f"removed {home}")
    return OK


def _end(home: Path) -> None:
    """End the manager, if it is one for a PocketBase, and all that it leads."""
    holder = Holder(home)
    if "host" in (holder.ask("GET", HOOK) or {}):
        print("ending the processes")
        holder.ask("POST", f"{HOOK}/stop", timeout=holder.patience)
