"""``processman pocketbase serve``: the manager of a PocketBase, whose hook starts it.

It leads as long as PocketBase lives. When it ends before, in any way but by ``/hook/stop``, what it leads goes on,
and the next one takes over.
"""
from __future__ import annotations

import json
import logging
import os
import secrets
import sys
import threading
from argparse import Namespace
from contextlib import suppress
from pathlib import Path

from .. import hosts, private
from .._version import __version__
from ..bridge import printable
from ..client import MOUNT, in_url, reachable
from ..config import Config, ProcessConfig
from ..errors import ChangingHands, ProcessmanError, ProcessNotFound
from ..foreground import Signals
from ..manager import Manager
from ..pocketbase.control import Control
from ..pocketbase.lines import ERROR, Lines, Post, Row
from ..pocketbase.turn import Holder, end_for, take_turn
from ..table import listening
from ..wsgi import bearer, create_app
from ..wsgi.server import Server, below
from . import OK
from .directory import announced, patience

#: bytes of our own log after which it begins anew
_LOG = 1 << 20
#: seconds that processes outlive a manager where the keeper cannot watch PocketBase: until the hook looks again
_LINGER = 75.0
_LINUX = sys.platform == "linux"


def serve(arguments: Namespace) -> int:
    """Lead for a PocketBase, until it is over or somebody else is to."""
    _settle()
    home = private.home(arguments.dir, make=True)
    settings = [__version__, sys.executable, arguments.addr, arguments.bridge, arguments.dev]
    if take_turn(home, arguments.pid, settings) is None:  # else the lock is held until this process is over
        return OK
    told = Holder(home).told
    (home / "state.json").unlink(missing_ok=True)  # of one that was killed
    hosted = _Hosted(arguments, home)
    try:
        hosted.run(settings)
    except ProcessmanError as error:
        hosted.fail(str(error), told)
        raise
    return OK


def _settle() -> None:
    """Leave the terminal of PocketBase, whose Ctrl-C is not meant for us, and begin our log."""
    with suppress(OSError):
        os.setsid()
    with suppress(OSError):
        os.fchmod(2, 0o600)
        if os.fstat(2).st_size > _LOG:
            os.ftruncate(2, 0)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    logging.getLogger("processman").setLevel(logging.INFO)


class _Hosted:
    """One manager for one PocketBase."""

    def __init__(self, arguments: Namespace, home: Path) -> None:
        self._home, self._pid = home, arguments.pid
        self._bridge: str = arguments.bridge
        #: by id, what of it goes into the logs
        self._modes: dict[str, str] = {}
        host, _, port = arguments.addr.rpartition(":")
        # port 0 is any, and PocketBase itself does not say which it became
        self._port = int(port) or next(iter(listening(arguments.pid)), 8090)
        self._url = f"http://{in_url(reachable(host.strip('[]')))}:{self._port}"
        self._manager = Manager(Config(
            data_dir=arguments.dir, port=self._port, dev=arguments.dev, engine="keeper",
            linger=None if _LINUX else _LINGER,
        ))
        #: PocketBase has had everything ended
        self._ended = False
        self._secret, self._token = secrets.token_urlsafe(32), home / "token"
        self._post = Post(self._url, self._secret)
        self._about: dict[str, object] = {"host": arguments.pid, "url": self._url, "version": __version__}

    def run(self, settings: list[object]) -> None:
        """Lead, and serve, until everything has ended or we are told to leave."""
        # a new one each time: what a stranger has heard is worth nothing
        private.write(self._token, f"{self._secret}\n")
        self._about["settings"] = settings
        lines = Lines(self._post, self._mode_of)
        self._manager.bridge_to(lines)
        self._manager.subscribe(lines.tell)
        with Signals() as signals, Server("127.0.0.1", 0, self._app(signals)) as server:
            self._start()
            address = f"http://127.0.0.1:{server.port}{MOUNT}"
            with announced(self._home, address, self._token, patience=patience(self._manager), **self._about):
                threading.Thread(target=self._wait, args=[signals], name="processman-host", daemon=True).start()
                signals.wait()
        if self._ended:
            end_for(self._home, self._pid)

    def fail(self, why: str, told: object) -> None:
        """Note *why* nothing runs, and have PocketBase say so, unless that is what it was *told* last."""
        state: dict[str, object] = {"error": why, "tokenFile": str(self._token)}
        private.write(self._home / "state.json", json.dumps(state))
        news = [self._pid, why]
        if told == news or self._post([Row(ERROR, f"processman: {printable(why)}", "", "processman")]):
            private.write(self._home / "state.json", json.dumps({**state, "told": news}))

    def _app(self, signals: Signals) -> Control:
        def stop() -> None:
            self._ended = True
            try:
                self._manager.stop()
            finally:
                signals.wake()

        auth = bearer(self._secret)
        api = below(MOUNT, create_app(self._manager, auth=auth, hosts={"127.0.0.1"}))
        return Control(api, auth, about=lambda: self._about, stop=stop, leave=signals.wake)

    def _start(self) -> None:
        if _LINUX:
            self._manager.lead_for(self._pid)
        else:
            self._manager.start()

    def _wait(self, signals: Signals) -> None:
        """Wait until PocketBase is over, and with it everything."""
        if _LINUX:
            self._manager.wait_until_left()
        else:
            hosts.wait_for_end(self._pid)
            self._manager.stop()
        signals.wake()

    def _mode_of(self, id: str) -> str:
        if self._manager.role == "owner":  # else there is nobody to be asked, and the answer would be waited for
            with suppress(ProcessNotFound, ChangingHands):
                config: ProcessConfig = self._manager.status(id).config
                self._modes[id] = config.bridge_logs or self._bridge
        return self._modes.get(id, self._bridge)
