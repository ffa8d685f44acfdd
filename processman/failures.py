"""Telling the host's logging of a failure in a thread of ours, which must not end because a handler fails too."""
from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from contextlib import suppress


def report(logger: logging.Logger, message: str, *args: object, redact: Callable[[str], str] = str) -> None:
    """Log *message* and the exception at hand, masked by *redact*, whatever the handlers of the host make of it."""
    with suppress(Exception):
        logger.error(f"{message}\n%s", *args, redact(traceback.format_exc()), stacklevel=2)
