"""Asking from a process that holds no lease: that starts nothing, and keeps nothing alive."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .config import Config
from .desk import Host, ask_owner, reach_owner
from .lease import WHO
from .place import Place


def ask_owner_of(config: Config, function: Callable[..., Any], *args: object) -> Any:
    """Have the owner of *config*'s data directory call *function* with its Manager and *args*.

    :raises ConnectionError: nobody runs there.
    """
    place = Place(config)
    answer = place.ask(WHO)
    owner = answer["owner"] if answer else None
    connection = None if owner is None else reach_owner(place.owner_socket(owner))
    if connection is None:
        raise ConnectionRefusedError("no application that serves runs its processes from there")
    return ask_owner(connection, Host(), function, args, {})


def is_held(config: Config) -> bool:
    """Tell whether processes of *config*'s data directory run, or somebody leads for them."""
    answer = Place(config).ask(WHO)
    return bool(answer and (answer["owner"] or answer["held"]))
