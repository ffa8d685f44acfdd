"""``processman owner``: leads for hosts that cannot, such as workers of gevent; they start it themselves."""
from __future__ import annotations

import os
from argparse import Namespace

from ..config import Config
from ..manager import Manager
from ..place import Place
from . import OK


def owner(arguments: Namespace) -> int:
    """Lead until no host is left; where somebody does already, there is nothing to do."""
    if os.fork():  # nobody's child, so that nobody has to reap it
        return OK
    config = Config(
        data_dir=arguments.dir, config_file=arguments.config, port=arguments.port, dev=arguments.dev,
        engine="keeper", linger=arguments.linger, run_dir=arguments.run_dir,
    )
    claim = Place(config).claim_owner()
    if claim is None:
        return OK
    try:
        Manager(config).lead_for_others()
    finally:
        os.close(claim)
    return OK
