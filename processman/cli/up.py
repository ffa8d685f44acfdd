"""``processman up``: everything in the foreground, with the API, until told to end."""
from __future__ import annotations

import logging
from argparse import Namespace
from contextlib import ExitStack, suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING

from .. import foreground
from ..client import MOUNT, in_url, reachable
from ..config import Config
from ..local import LocalEngine
from ..manager import Manager
from ..wsgi import bearer, create_app
from ..wsgi.server import Server, below
from . import OK, USAGE, Failure, console
from .check import existing
from .directory import announced, claim, patience, token

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ..events import Event

logger = logging.getLogger(__name__)

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def up(arguments: Namespace) -> int:
    """Run until a signal; return the exit code."""
    return run(arguments, manager(arguments, LocalEngine()))


def manager(
    arguments: Namespace, engine: LocalEngine, *, idle: bool = False, kind: type[Manager] = Manager
) -> Manager:
    """Return the manager that *arguments* describe, of *kind*; an *idle* one begins nothing by itself."""
    _raise_descriptor_limit()
    config = existing(arguments.config)
    engine.reap_orphans()
    return kind(Config(
        data_dir=str(arguments.dir), port=arguments.port, dev=arguments.dev,
        config_file=Config().config_file if config is None else config,
    ), _engine=engine, _idle=idle)


def run(
    arguments: Namespace, manager: Manager, *, begin: Callable[[], object] | None = None,
    stop: Callable[[], object] | None = None, hear: Callable[[Event], None] = console.tell,
    reveal: Callable[[str], str] = str, about: Mapping[str, object] | None = None,
) -> int:
    """Run *manager* with its API until a signal; return the exit code.

    :param begin: called once it is started, and its clients can find it.
    :param stop: called instead of its own ``stop``.
    :param hear: called with what becomes of the processes.
    :param reveal: what a terminal may see of a line that is hidden elsewhere.
    :param about: what clients in the directory find beside the address.
    """
    with claim(arguments.dir) as home, console.shown(reveal):
        _warn_of_applications(manager.config)
        secret, token_file = token(home, arguments.token_file)
        host, port = arguments.http
        with _serve(manager, host, port, secret, arguments.allow_host) as server:
            address = f"http://{in_url(reachable(host))}:{server.port}{MOUNT}"
            manager.subscribe(hear)
            with ExitStack() as stack:

                def start() -> None:
                    manager.start()  # first: a file that is wrong ends it all
                    more = {"patience": patience(manager), **(about or {})}
                    stack.enter_context(announced(home, address, token_file, **more))
                    _tell(host, address, token_file)
                    if begin is not None:
                        begin()

                second = foreground.run(start, stop or manager.stop, manager.kill)
    return OK if second is None else 128 + second


def _serve(manager: Manager, host: str, port: int, secret: str, more: list[str]) -> Server:
    name = in_url(host)
    try:
        app = create_app(manager, auth=bearer(secret), hosts={*_LOOPBACK, name, *more})
    except ValueError as error:
        raise Failure(str(error), USAGE) from None
    try:
        return Server(host, port, below(MOUNT, app))
    except OSError as error:
        raise Failure(f"cannot serve on {name}:{port}: {error.strerror or error}") from error


def _warn_of_applications(config: Config) -> None:
    """Say who runs processes of this directory by a keeper: what we run is none of theirs."""
    with suppress(ImportError, OSError):  # no keeper on this platform, or none of ours
        from ..lease import WHO
        from ..place import Place

        answer = Place(config).ask(WHO)
        if answer is not None:
            leader = answer.get("owner") or "none"
            logger.warning("an application runs processes of %s, too (process %s leads): what both configure runs "
                           "twice", config.data_dir, leader)


def _tell(host: str, address: str, token_file: Path) -> None:
    logger.info("serving %s with the token in %s", address, token_file)
    if not _is_loopback(host):
        logger.warning("serving on %s, without encryption: everybody on the way can read the token", host)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _raise_descriptor_limit() -> None:
    with suppress(ImportError, ValueError, OSError):
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
