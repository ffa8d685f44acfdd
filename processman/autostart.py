"""The start that every integration uses: where the host serves, and never so that the application suffers."""
from __future__ import annotations

import logging
import weakref
from functools import partial
from typing import TYPE_CHECKING

from . import hosts
from .errors import ProcessmanError

if TYPE_CHECKING:
    from .manager import Manager

logger = logging.getLogger(__name__)


def autostart(manager: Manager) -> None:
    """Start *manager* where this process serves; in a master that forks workers, start it in each of them.

    One line on the log says why nothing was started. What is wrong with the configuration is logged with its
    whole message, and the application goes on.
    """
    manager.share()
    if why := hosts.mistake():
        logger.warning("processes are not started: %s", why)
    elif why := hosts.refusal():
        logger.info("processes are not started: %s", why)
    elif hosts.defers():
        # weak: an application that was loaded and thrown away is not to be started by its workers
        manager.defer()
        hosts.after_fork(partial(_start_in_worker, weakref.ref(manager)))
        logger.info("processes are not started yet: the workers of this master start them")
    else:
        _start(manager)


def _start_in_worker(reference: weakref.ref[Manager]) -> None:
    manager = reference()
    if manager is not None:
        _start(manager)


def _start(manager: Manager) -> None:
    try:
        manager.start()
    except ProcessmanError as error:
        logger.error("%s", error)
    except OSError:  # no room, no right: what runs beside an application must not take it down
        logger.exception("cannot start processes")
