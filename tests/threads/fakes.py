"""A manager of fake children: what to register, what to ask, what it says."""
from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from processman import Manager, ProcessConfig


def fake(id: str, **options: Any) -> ProcessConfig:
    return ProcessConfig(id=id, command=sys.executable, **options)


def write(folder: Path, *ids: str) -> None:
    entries = [{"id": id, "command": sys.executable, "cwd": "."} for id in ids]
    (folder / "pb_processes.json").write_text(json.dumps(entries))


def run(manager: Manager, id: str, **options: Any) -> None:
    """Register and start *id*, and wait until it runs."""
    manager.register(fake(id, **options))
    manager.start()
    if not options.get("autostart", True):
        return
    manager.wait_for(id, "running", timeout=10)


def words(manager: Manager) -> dict[str, str]:
    return {status.id: status.status.value for status in manager.list()}


def call(function: Callable[..., object], *args: object, **more: object) -> list[object]:
    """Call *function* in a thread; return the list that its result, or what it raised, comes into."""
    results: list[object] = []

    def target() -> None:
        try:
            results.append(function(*args, **more))
        except Exception as error:
            results.append(error)

    threading.Thread(target=target, daemon=True).start()
    return results


ACTIONS: dict[str, Callable[[Manager, str], object]] = {
    "start": lambda manager, id: manager.start_process(id),
    "start at once": lambda manager, id: manager.start_process(id, wait=False),
    "stop": lambda manager, id: manager.stop_process(id),
    "stop at once": lambda manager, id: manager.stop_process(id, wait=False),
    "restart": lambda manager, id: manager.restart_process(id),
    "wait": lambda manager, id: manager.wait_for(id, "running", timeout=10),
    "follow": lambda manager, id: manager.follow(id),
}
LOOKS: dict[str, Callable[[Manager, str], object]] = {
    "status": lambda manager, id: manager.status(id),
    "logs": lambda manager, id: manager.logs(id),
    "remove": lambda manager, id: manager.remove(id),
}
