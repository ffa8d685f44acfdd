"""What may be written behind ``processman``."""
from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from . import pocketbase
from .options import number, options_of_up, port

_EPILOG = """\
exit codes: 0 ok, 1 the operation failed, 2 usage or invalid configuration, 3 (show) the process is not
running, 4 no manager reachable or not authorised"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"processman: cannot understand the command: {message} (see {self.prog} --help)\n")


def parse(argv: Sequence[str] | None, *, prog: str = "processman", inside: bool = False) -> argparse.Namespace:
    """Return the arguments; ``verb`` is the name of the command. Ends the process when they are wrong.

    :param inside: it is a command of an application, which says itself where its manager is.
    """
    parser = _parser(prog, inside)
    arguments = parser.parse_args(argv)
    if arguments.verb in ("start", "stop", "restart") and bool(arguments.ids) == arguments.all:
        parser.error(f"{arguments.verb} needs either ids or --all")
    return arguments


def _parser(prog: str, inside: bool) -> argparse.ArgumentParser:
    from .._version import __version__

    about = "Ask the running manager." if inside else "Start processes, keep them alive, see their output."
    parser = _Parser(prog=prog, description=about, epilog=_EPILOG, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"processman {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="COMMAND", required=True)

    def verb(name: str, about: str, *, remote: bool = True, prints: bool = True) -> argparse.ArgumentParser:
        made = verbs.add_parser(name, help=about, description=about, allow_abbrev=False)
        if not inside:
            made.add_argument("--dir", type=Path, default=Path("pb_data"), metavar="DIR",
                              help="data directory; finds the manager that runs there (default: pb_data)")
        if remote and not inside:
            made.add_argument("--url", help="address of the API instead, such as http://127.0.0.1:8091/api/pm")
            made.add_argument("--token-file", type=Path, metavar="FILE",
                              help="holds the token for --url (default: the variable PROCESSMAN_TOKEN)")
        if prints:
            made.add_argument("--json", action="store_true", help="print JSON")
        return made

    if not inside:
        pocketbase.add(verbs)
        _owner(verbs.add_parser("owner", description="Lead for hosts that cannot. They start it themselves."))
        options_of_up(verb("up", "Run all processes in the foreground, with the API, until told to end.",
                           remote=False, prints=False))
    verb("ls", "List the processes.")
    verb("show", "Show one process; exit code 3 when it is not running.").add_argument("id", metavar="ID")
    for name, about in (("start", "Start processes, and wait until they run."),
                        ("stop", "Stop processes, and wait until all of each is gone."),
                        ("restart", "Restart processes, or start them, and wait until they run.")):
        made = verb(name, about)
        made.add_argument("ids", nargs="*", metavar="ID")
        made.add_argument("--all", action="store_true", help="all processes")
    logs = verb("logs", "Print the newest output of one process or of all. Standard error is marked with !.")
    logs.add_argument("id", nargs="?", metavar="ID")
    logs.add_argument("-f", "--follow", action="store_true", help="go on until interrupted, or the manager ends")
    logs.add_argument("-n", "--lines", type=_lines, default=100, metavar="N", help="1 to 1000 (default: 100)")
    check = verb("check", "Validate the configuration file.", remote=False)
    if not inside:
        check.add_argument("--config", type=Path, metavar="FILE", help="default: pb_processes.json in DIR")
    return parser


def _owner(owner: argparse.ArgumentParser) -> None:
    owner.add_argument("--dir", type=Path, required=True)
    owner.add_argument("--config", type=Path)
    owner.add_argument("--port", type=port, default=8090)
    owner.add_argument("--linger", type=float)
    owner.add_argument("--run-dir", type=Path)
    owner.add_argument("--dev", action="store_true")


def _lines(text: str) -> int:
    return number(text, range(1, 1001), "the number of lines is one from 1 to 1000")
