"""The command line of ``pocketbase serve``, read: where its data is, and where it listens."""
from __future__ import annotations

import http.client
import socket
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from ..client import in_url, reachable

#: what PocketBase takes a value for; what else begins with a dash is a switch
_VALUED = frozenset((
    "--http", "--https", "--origins", "--dir", "--encryptionEnv", "--hooksDir", "--hooksPool", "--migrationsDir",
    "--publicDir", "--queryTimeout",
))
#: seconds that one look may take
_PATIENCE = 2.0


@dataclass(frozen=True)
class Serving:
    """A PocketBase that is to serve."""

    #: its command line, which names the data directory
    argv: tuple[str, ...]
    data_dir: Path
    #: where its hooks are
    hooks_dir: Path
    #: where it is asked whether it serves
    host: str
    port: int
    #: where it is for others: with TLS that is another port
    public_port: int

    @classmethod
    def of(cls, argv: Sequence[str], data_dir: Path | None = None) -> Serving:
        """Read *argv*; *data_dir* is added where it names none, and ``pb_data`` where there is none either.

        Something that becomes PocketBase, as gosu does, may stand before it.

        :raises ValueError: it is not the command line of a PocketBase that serves, or not at a known port.
        """
        if "serve" not in argv[1:]:
            raise ValueError("write -- and the command line of PocketBase, such as: -- pocketbase serve")
        start = argv.index("serve", 1) + 1
        flags, domains = _read(argv[1:start - 1], argv[start:])
        named = flags.get("--dir")
        if named is not None and data_dir is not None and Path(named).absolute() != data_dir.absolute():
            raise ValueError("PocketBase is given another --dir")
        directory = Path(named) if named is not None else data_dir or Path("pb_data")
        http = flags.get("--http") or ("0.0.0.0:80" if domains else "127.0.0.1:8090")
        https = flags.get("--https") or ("0.0.0.0:443" if domains else "")
        host, port = _address(http)
        added = [] if named is not None else ["--dir", str(directory.absolute())]
        hooks = flags.get("--hooksDir")
        return cls(
            (*argv[:start], *added, *argv[start:]), directory,
            Path(hooks) if hooks else directory.absolute().parent / "pb_hooks",
            host, port, _address(https)[1] if https else port,
        )

    @property
    def at(self) -> str:
        """The address, for people."""
        return f"{in_url(self.host)}:{self.port}"

    def is_open(self) -> bool:
        """Tell whether anybody listens there."""
        with suppress(OSError), socket.create_connection((self.host, self.port), _PATIENCE):
            return True
        return False

    def is_healthy(self) -> bool:
        """Tell whether PocketBase answers there that it is well; with TLS it sends to where it would."""
        asked = closing(http.client.HTTPConnection(self.host, self.port, timeout=_PATIENCE))
        with suppress(OSError, http.client.HTTPException), asked as connection:
            connection.request("GET", "/api/health")
            status = connection.getresponse().status
            return status == 200 or (self.public_port != self.port and 300 <= status < 400)
        return False


def _read(before: Sequence[str], after: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Return the flags *before* and *after* the word serve, each with its last value, and the domains after it."""
    flags, domains = dict[str, str](), list[str]()
    for arguments in (before, after):
        rest = iter(arguments)
        for argument in rest:
            name, equals, value = argument.partition("=")
            if name in _VALUED:
                flags[name] = value if equals else next(rest, "")
            elif arguments is after and not argument.startswith("-"):
                domains.append(argument)
    return flags, domains


def _address(text: str) -> tuple[str, int]:
    """Return where to reach what listens at *text*."""
    host, colon, digits = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (colon and digits.isascii() and digits.isdigit() and len(digits) <= 5 and 0 < int(digits) < 65536):
        raise ValueError("PocketBase needs an address with a port, such as --http=127.0.0.1:8090")
    return reachable(host), int(digits)
