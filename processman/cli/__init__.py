"""The command line: the only place with exit codes.

Here and in :mod:`.verbs` nothing heavy is imported, so that ``processman ls`` answers at once.
"""
from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path

from ..errors import ProcessmanError

#: verbs that are modules of their own; the others ask a running manager
_MODULES = ("up", "check", "owner", "pocketbase")

OK, FAILED, USAGE, NOT_RUNNING, UNREACHABLE = range(5)


class Failure(Exception):
    """Ends the command with *message* on standard error and the exit code *code*."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code


def token_in(file: Path) -> str:
    """Return the token that *file* holds; empty when it holds nothing.

    :raises Failure: it cannot be read.
    """
    try:
        return file.read_text("utf-8", "replace").strip()
    except OSError as error:
        why = f"{error.strerror}; give --token-file a file that holds a token"
        raise Failure(f"cannot read the token in {file}: {why}", USAGE) from error


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    from .arguments import parse

    return run(parse(argv))


def run(arguments: Namespace) -> int:
    """Run the command that *arguments* name; return its exit code."""
    _mend_standard_streams()
    module = import_module(f".{arguments.verb if arguments.verb in _MODULES else 'verbs'}", __name__)
    try:
        code: int = getattr(module, arguments.verb)(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # nobody reads on (`| head`); what is still in the buffer must not raise again
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return OK
    except (Failure, ProcessmanError, OSError) as error:
        complain(error)
        return exit_code(error)
    return code


def _mend_standard_streams() -> None:
    """Open what was closed before us, lest output end up in the next file that is opened; write any text."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def complain(error: Exception) -> None:
    """Write why something failed to standard error."""
    from ..bridge import printable

    words = str(error)
    if isinstance(error, OSError) and error.filename:
        words = f"cannot use {error.filename}: {error.strerror}"
    text = "\n".join(printable(line) for line in words.split("\n"))
    print(f"processman: {text}", file=sys.stderr)


def exit_code(error: Exception) -> int:
    """Return the exit code that stands for *error*."""
    from ..client import Unreachable
    from ..errors import ConfigError

    if isinstance(error, Failure):
        return error.code
    if isinstance(error, Unreachable):
        return UNREACHABLE
    return USAGE if isinstance(error, ConfigError) else FAILED
