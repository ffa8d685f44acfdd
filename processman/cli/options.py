"""Options of the commands that run processes, and how what is given to them is read."""
from __future__ import annotations

import argparse
from pathlib import Path


def options_of_up(up: argparse.ArgumentParser, *, default_port: int | None = 8090) -> None:
    """Add what ``up`` takes; without *default_port* the port is found elsewhere."""
    up.add_argument("--config", type=Path, metavar="FILE",
                    help="must exist (default: pb_processes.json in DIR, which need not)")
    up.add_argument("--http", type=_address, default=("127.0.0.1", 8091), metavar="HOST:PORT",
                    help="where to serve the API; port 0 is any (default: 127.0.0.1:8091)")
    up.add_argument("--port", type=port, default=default_port,
                    help=f"what children see as PB_PORT (default: {default_port or 'that of PocketBase'})")
    up.add_argument("--dev", action="store_true", help="hot reload where devMode is not set")
    up.add_argument("--token-file", type=Path, metavar="FILE",
                    help="holds the token that clients need (default: one is made, in DIR/.processman/token)")
    up.add_argument("--allow-host", action="append", default=[], metavar="NAME",
                    help="one more Host that may be asked for, NAME or NAME:PORT; may be repeated")


def port(text: str, least: int = 1) -> int:
    """Read a port."""
    return number(text, range(least, 65536), f"a port is a number from {least} to 65535")


def number(text: str, allowed: range, rule: str) -> int:
    """Read one of the numbers that are *allowed*; *rule* says which."""
    # counted before it is made: int() raises for some thousand digits
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) in allowed):
        raise argparse.ArgumentTypeError(rule)
    return int(text)


def _address(text: str) -> tuple[str, int]:
    host, _, digits = text.rpartition(":")
    plain = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not plain or (":" in plain and plain == host):
        raise argparse.ArgumentTypeError("an address is HOST:PORT, with an IPv6 HOST in brackets")
    return plain, port(digits, least=0)
