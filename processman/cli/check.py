"""``processman check``: is the configuration file valid?"""
from __future__ import annotations

import logging
import os
import sys
from argparse import Namespace
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .. import loader
from ..bridge import printable
from ..config import Config, ProcessConfig
from ..environment import UnsetVariable, expand
from . import OK, USAGE, Failure
from .output import print_json


def check(arguments: Namespace) -> int:
    """Validate the file; warn about variables that are not set here."""
    path = existing(arguments.config) or arguments.dir / str(Config().config_file)
    if not path.exists():
        raise Failure(f"cannot check {path}: there is no such file", USAGE)
    with _heard() as warnings:
        processes = loader.load(path, data_dir=arguments.dir.absolute())
    warnings += _unset(processes)
    if arguments.json:
        print_json({"file": str(path), "processes": [p.id for p in processes], "warnings": warnings})
        return OK
    for warning in warnings:
        print(f"processman: warning: {printable(warning)}", file=sys.stderr)
    print(f"{printable(str(path))} is valid: {len(processes)} process{'' if len(processes) == 1 else 'es'}")
    return OK


@contextmanager
def _heard() -> Iterator[list[str]]:
    """Collect what is only logged while a file is loaded."""
    logger, texts = logging.getLogger(loader.__name__), list[str]()
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: texts.append(record.getMessage())  # type: ignore[method-assign]
    logger.addHandler(handler)
    try:
        yield texts
    finally:
        logger.removeHandler(handler)


def existing(config: Path | None) -> Path | None:
    """Return the absolute path of a file that was named on the command line.

    :raises Failure: there is none.
    """
    if config is not None and not config.is_file():
        raise Failure(f"cannot read {config}: there is no such file", USAGE)
    return config and config.absolute()


def _unset(processes: Sequence[ProcessConfig]) -> Iterable[str]:
    for process in processes:
        for name, template in process.env.items():
            try:
                expand(template, os.environ)
            except UnsetVariable as error:
                yield f"process {process.id!r} would fail here: {name} needs {error.name}, which is not set"
