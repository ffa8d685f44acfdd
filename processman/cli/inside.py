"""The verbs as a command of an application: they ask the owner among its workers, and start nothing."""
from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from ..client import Client
from ..config import Config
from ..visit import ask_owner_of
from ..wsgi.asked import respond
from . import run
from .arguments import parse


def main(config: Config, argv: Sequence[str], *, prog: str) -> int:
    """Run one command for the application whose manager has *config*; return its exit code."""
    arguments = parse(argv, prog=prog, inside=True)
    arguments.client = Client(config.data_dir, exchange=partial(ask_owner_of, config, respond))
    arguments.dir = Path(config.data_dir)
    arguments.config = config.config_file and Path(config.data_dir, config.config_file)
    return run(arguments)
