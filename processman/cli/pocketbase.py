"""``processman pocketbase``: beside a stock PocketBase. What may be written behind it; each word is a module."""
from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path
from typing import Any

from .options import options_of_up

#: what is written into PocketBase's logs; as in pocketbase.hookfile, which is not imported only to ask
_BRIDGES = ("all", "stderr", "events", "none")


def pocketbase(arguments: argparse.Namespace) -> int:
    """Do what *arguments* name; return the exit code."""
    module = import_module(f"{__name__}_{arguments.word}")
    code: int = getattr(module, arguments.word)(arguments)
    return code


def add(verbs: Any) -> None:
    """Add the command to *verbs*."""
    about = "Give a stock PocketBase processes of its own."
    parser = verbs.add_parser("pocketbase", help=about, description=about, allow_abbrev=False)
    words = parser.add_subparsers(dest="word", metavar="COMMAND", required=True)
    install = _word(words, "install", "Write the hook file that starts processes when PocketBase serves.")
    install.add_argument("--bridge", choices=_BRIDGES, default="all",
                         help="what goes into PocketBase's logs: all lines, those of stderr, what becomes of "
                              "processes, or nothing (default: all)")  # fmt: skip
    _word(words, "uninstall", "Remove the hook file, and whatever else is ours; pb_processes.json stays.")
    status = _word(words, "status", "Tell whether hook, manager and PocketBase fit together and are reachable.")
    status.add_argument("--json", action="store_true", help="print JSON")
    _run(words)
    _serve(words.add_parser("serve", description="Lead for a PocketBase. Its hook starts it."))


def _word(words: Any, name: str, about: str) -> argparse.ArgumentParser:
    word: argparse.ArgumentParser = words.add_parser(name, help=about, description=about, allow_abbrev=False)
    word.add_argument("directory", nargs="?", type=Path, default=Path(), metavar="DIR",
                      help="where pb_hooks and pb_data are (default: here)")  # fmt: skip
    word.add_argument("--dir", type=Path, metavar="DATA",
                      help="PocketBase's data directory, as given to it (default: pb_data in DIR)")  # fmt: skip
    return word


def _serve(serve: argparse.ArgumentParser) -> None:
    serve.add_argument("--dir", type=Path, required=True)
    serve.add_argument("--pid", type=int, required=True)
    serve.add_argument("--addr", required=True)
    serve.add_argument("--bridge", choices=_BRIDGES, default="all")
    serve.add_argument("--dev", action="store_true")


def _run(words: Any) -> None:
    about = "Run PocketBase and its processes in the foreground, until told to end."
    run = words.add_parser(
        "run", help=about, description=about, allow_abbrev=False,
        usage="%(prog)s [options] -- pocketbase serve [options of PocketBase]",
    )
    run.add_argument("--dir", type=Path, metavar="DIR",
                     help="PocketBase's data directory (default: as it is told itself, or pb_data)")  # fmt: skip
    options_of_up(run, default_port=None)
    run.add_argument("argv", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
