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
from enum import Enum
from pathlib import Path
from typing import Any

from . import hosts, signals
from ._version import __version__
from .config import Config
from .desk import Desk, Host, Pickles, ask_owner, reach_owner
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
#: seconds until a process that is to lead for us is begun again: the one before may have been in its way
_AGAIN = 0.5


class Part(Enum):
    """What a Manager takes of the work among many."""

    ANY = "any"  # it leads when it is its turn, and what runs goes on for its sake
    LEAD = "lead"  # it leads for others; without them it ends
    FOLLOW = "follow"  # it cannot lead, and sees to it that somebody does


class Seat:
    """The seat of one Manager: its lease, and whether it leads.

    :param lead: begins to lead with an engine; called by :meth:`take`, or later from a thread of our own.
    :param lose: ends leading, for somebody else has begun to; called from that thread.
    :param follow: begins to follow with a new keeper, which knows of nothing; called from that thread.
    :param part: what of the work it takes.
    :param host: the process that it leads for, where that is no Manager: what runs goes on while it lives.
    :raises ProcessmanError: no keeper can be reached or begun.
    """

    def __init__(
        self, config: Config, *, linger: float, lead: Callable[[KeptEngine], None], lose: Callable[[], None],
        follow: Callable[[], None], part: Part = Part.ANY, supervisor: int | None = None, host: int | None = None,
    ) -> None:
        self._config, self._part, self._host = config, part, host
        self._place = Place(config)
        self.linger, self._supervisor = linger, supervisor
        #: how new this host is: of those who wait for control the newest leads
        self.generation = self._turn = time.monotonic()
        self._lead, self._lose, self._follow = lead, lose, follow
        self._instance = os.urandom(8).hex()
        self._closed = False
        self._changing = threading.Lock()  # which lease is held, and whether any is
        self.engine: KeptEngine | None = None
        #: the pid of the owner that answered last
        self._asked: int | None = None
        #: where followers ask us, while we lead
        self._desk: Path | None = None
        self._lease = self._open_lease()
        self._grant = self._control(self._lease)

    def take(self) -> None:
        """Begin to lead if nobody does, and to wait for the lead if somebody does."""
        with signals.left_to_others():
            if self._grant is not None:
                self._begin_to_lead(self._grant)
            if hosts.has_threads():
                threading.Thread(target=self._run, name="processman-seat", daemon=True).start()

    @property
    def leads(self) -> bool:
        """Whether this is the owner."""
        return self.engine is not None

    @property
    def others(self) -> int:
        """How many others hold a lease; what is held for our host is ours."""
        return max(0, self._lease.count() - 1)

    @property
    def lasts(self) -> bool:
        """Whether what runs goes on without us for a while."""
        return bool(self.linger) or self._host is not None

    def close(self) -> None:
        """Give the lease back."""
        with self._changing:
            self._closed = True
            self._lease.close()

    def forget(self) -> None:
        """Let go of it in a forked copy: it is held by the process that was forked."""
        self._closed = True
        self._lease.forget()

    def serve(self, manager: object) -> Desk:
        """Answer what followers ask *manager*, from now on."""
        self._place.forget_owners()
        self._desk = self._place.owner_socket(os.getpid())
        return Desk(self._desk, manager, self._gives_way)

    def call(self, function: Callable[..., Any], *args: object, **more: object) -> Any:
        """Have the owner call *function* with its Manager and *args*; return or raise what that does.

        :raises ChangingHands: nobody leads, or who led has gone in the middle of it.
        """
        host = Host(generation=self.generation, settings=_settings(self._config))
        return ask_owner(self._find_owner(), host, function, args, more)

    def _find_owner(self) -> Pickles:
        follows = self._part is Part.FOLLOW
        begin_at = time.monotonic()
        deadline = begin_at + (_ANSWER if follows else _PATIENCE)
        owner = self._asked
        while True:
            connection = None if owner is None else reach_owner(self._place.owner_socket(owner))
            if connection is not None:
                self._asked = owner
                return connection
            former, owner = owner, self._lease.owner()
            if owner not in (former, None):
                continue
            if time.monotonic() > deadline:
                raise ChangingHands("cannot reach the owner: the lead is changing hands")
            if follows and owner is None and time.monotonic() >= begin_at:
                self._place.begin_owner(self._config)
                begin_at = time.monotonic() + _AGAIN
            threading.Event().wait(_LOOK)

    def _gives_way(self, host: Host, version: str) -> bool:
        """Where we lead for other Managers alone, leave it to one that fits a newer *host*, which begins that."""
        if self._part is not Part.LEAD or self._host is not None or host.generation <= self.generation:
            return False
        if (version, host.settings) == (__version__, _settings(self._config)):
            return False
        self._closed = True
        self._lose()
        return True

    def _open_lease(self) -> Lease:
        lease = Lease(
            self._place, instance=self._instance, linger=self.linger, counts=self._part is not Part.LEAD,
            supervisor=self._supervisor, generation=None if self._part is Part.FOLLOW else self._turn,
        )
        if self._host is not None:
            try:  # it lasts as long as the host does, and not only as long as we
                Lease(self._place, instance=lease.instance, linger=0.0, generation=None, pid=self._host).close()
            except BaseException:
                lease.close()
                raise
        return lease

    def _control(self, lease: Lease) -> Grant | None:
        """Return control where it is to be had at once."""
        return None if lease.led or self._part is Part.FOLLOW else lease.wait(_ANSWER)

    def _begin_to_lead(self, grant: Grant) -> None:
        self.engine = KeptEngine(self._lease, grant)
        self._instance = self.engine.instance
        try:
            self._lead(self.engine)
        except BaseException:
            self.engine, self._turn = None, 0.0
            self._hold(self._open_lease())  # somebody else may be able to
            raise

    def _hold(self, lease: Lease) -> None:
        """Hold *lease* instead of the one before, unless none is to be held any more."""
        with self._changing:
            self._lease.close()
            self._lease = lease
            if self._closed:
                lease.close()

    def _run(self) -> None:
        while not self._closed:
            try:
                self._go_on(self._lease.wait())
            except Exception:
                if self._closed:  # under its hands
                    return
                report(logger, "holding a lease on the keeper failed")
                threading.Event().wait(_PRECEDENCE)

    def _go_on(self, grant: Grant | None) -> None:
        if self._closed:
            return
        if grant is not None:
            self._begin_to_lead(grant)
        elif self._lease.lost:
            self._reconnect()

    def _reconnect(self) -> None:
        """Go on with a new keeper: who leads goes first, the others come when it had the time."""
        if self._part is Part.LEAD and not (self._host and hosts.lives(self._host)):  # those it was for are over
            self._closed = True
            self._lose()
            return
        logger.warning("the keeper is gone, and what it held: a new one is begun")
        if self.engine is None:
            threading.Event().wait(_PRECEDENCE)
        lease = self._open_lease()
        self._hold(lease)
        grant = self._control(lease)
        if self._closed:
            return
        if self.engine is not None and grant is not None and self._is_found():
            self.engine.renew(lease, grant)
            return
        if self.engine is not None:
            self.engine.give_up()
            self.engine = None
            self._lose()
        if grant is not None:
            self._begin_to_lead(grant)
        else:
            self._follow()

    def _is_found(self) -> bool:
        """Whether followers find us where we are: with the keeper's socket the directory may have gone."""
        desk = self._desk
        return desk is not None and desk == self._place.owner_socket(os.getpid()) and desk.exists()


def _settings(config: Config) -> tuple[object, ...]:
    """Return what processes see of *config*, or are watched by."""
    return config.port, config.dev, config.config_file and os.fspath(config.config_file)
