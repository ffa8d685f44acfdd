"""One owner among many: how the Managers of one data directory share a keeper, and speak to the one that leads.

Each holds a lease; the keeper gives control to one, the owner. The others follow: what they are asked they
ask the owner, over a socket that is ours alone.
"""
from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Any

from .config import Config
from .desk import Desk, Pickles, ask_owner, reach_owner
from .errors import ChangingHands
from .failures import report
from .kept import KeptEngine
from .lease import Grant, Lease
from .place import Place

logger = logging.getLogger(__name__)

#: seconds that who leads has to reach a new keeper first, when one was lost
_PRECEDENCE = 0.5
#: seconds that control may take to come, where nobody has it
_ANSWER = 5.0
#: seconds to wait for who is to lead next, and between two looks
_PATIENCE, _LOOK = 1.0, 0.01


class Seat:
    """The seat of one Manager: its lease, and whether it leads.

    :param lead: begins to lead with an engine; called by :meth:`take`, or later from a thread of our own.
    :param lose: ends leading, for somebody else has begun to.
    :raises ProcessmanError: no keeper can be reached or begun.
    """

    def __init__(
        self, config: Config, *, linger: float, lead: Callable[[KeptEngine], None], lose: Callable[[], None]
    ) -> None:
        self._place = Place(config)
        self.linger = linger
        #: how new this host is: of those who wait for control the newest leads
        self.generation = time.monotonic()
        self._lead, self._lose = lead, lose
        self._instance = os.urandom(8).hex()
        self._closed = False
        self.engine: KeptEngine | None = None
        self._lease = self._take()
        grant = None if self._lease.led else self._lease.wait(_ANSWER)
        self._grant = grant

    def take(self) -> None:
        """Begin to lead if nobody does, and to wait for the lead if somebody does."""
        if self._grant is not None:
            self._begin(self._grant)
        threading.Thread(target=self._run, name="processman-seat", daemon=True).start()

    @property
    def leads(self) -> bool:
        """Whether this is the owner."""
        return self.engine is not None

    @property
    def others(self) -> int:
        """How many others hold a lease."""
        return max(0, self._lease.count() - 1)

    def close(self) -> None:
        """Give the lease back."""
        self._closed = True
        self._lease.close()

    def forget(self) -> None:
        """Let go of it in a forked copy: it is held by the process that was forked."""
        self._closed = True
        self._lease.forget()

    def serve(self, manager: object) -> Desk:
        """Answer what followers ask *manager*, from now on."""
        return Desk(self._place.owner_socket(os.getpid()), manager)

    def call(self, function: Callable[..., Any], *args: object, **more: object) -> Any:
        """Have the owner call *function* with its Manager and *args*; return or raise what that does.

        :raises ChangingHands: nobody leads, or who led has gone in the middle of it.
        """
        return ask_owner(self._find_owner(), function, args, more)

    def _find_owner(self) -> Pickles:
        deadline = time.monotonic() + _PATIENCE
        while True:
            owner = self._lease.owner()
            connection = None if owner is None else reach_owner(self._place.owner_socket(owner))
            if connection is not None:
                return connection
            if time.monotonic() > deadline:
                raise ChangingHands("cannot reach the owner: the lead is changing hands")
            threading.Event().wait(_LOOK)

    def _take(self) -> Lease:
        return Lease(self._place, instance=self._instance, linger=self.linger, generation=self.generation)

    def _begin(self, grant: Grant) -> None:
        self.engine = KeptEngine(self._lease, grant)
        self._instance = self.engine.instance
        self._lead(self.engine)

    def _run(self) -> None:
        while not self._closed:
            try:
                self._go_on(self._lease.wait())
            except Exception:
                report(logger, "holding a lease on the keeper failed")
                threading.Event().wait(_PRECEDENCE)

    def _go_on(self, grant: Grant | None) -> None:
        if self._closed:
            return
        if grant is not None:
            self._begin(grant)
        elif self._lease.lost:
            self._take_again()

    def _take_again(self) -> None:
        """Go on with a new keeper: who leads goes first, the others come when it had the time."""
        logger.warning("the keeper is gone, and what it held: a new one is begun")
        self._lease.close()
        if self.engine is None:
            threading.Event().wait(_PRECEDENCE)
        self._lease = lease = self._take()
        grant = None if lease.led else lease.wait(_ANSWER)
        if grant is None and self.engine is not None:
            self.engine = None
            self._lose()
        elif grant is not None and self.engine is not None:
            self.engine.renew(lease, grant)
        elif grant is not None:
            self._begin(grant)
