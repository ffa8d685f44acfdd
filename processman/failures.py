"""Telling the host's logging of a failure in a thread of ours, which must not end because a handler fails too."""
from __future__ import annotations

import logging
from contextlib import suppress


def report(logger: logging.Logger, message: str, *args: object) -> None:
    """Log *message* and the exception at hand, whatever the handlers of the host make of it."""
    with suppress(Exception):
        logger.exception(message, *args, stacklevel=2)
