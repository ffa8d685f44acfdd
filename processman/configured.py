"""A process as a host has configured it, and as an owner leaves it to the next."""
from __future__ import annotations

import base64
import hashlib
import os
import pickle
from dataclasses import dataclass, fields

from .config import KEYS, Config, ProcessConfig


@dataclass(frozen=True)
class Configured:
    """One process, and where it was configured."""

    config: ProcessConfig
    #: its env values are templates
    templated: bool = False
    #: it was registered while the rest ran already: no host brings it along, and it stays until it is removed
    lasting: bool = False
    #: what its host puts in: the child's ``PB_PORT`` and ``PB_DATA_DIR``, and whether its files are watched
    port: int = 0
    data_dir: str = ""
    dev: bool = False

    @classmethod
    def by(cls, host: Config, config: ProcessConfig, **more: bool) -> Configured:
        """Return *config* as a manager that is configured by *host* configures it."""
        dev = host.dev if config.dev_mode is None else config.dev_mode
        return cls(config, port=host.port, data_dir=os.path.abspath(host.data_dir), dev=dev, **more)

    @property
    def spec(self) -> str:
        """Tell whether two mean the same. Nobody can tell a secret from it."""
        values = {name: getattr(self.config, name) for name in KEYS} | {"env": sorted(self.config.env.items())}
        text = repr((values, self.templated, self.port, self.data_dir, self.dev))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    def dump(self) -> str:
        """Return it as text, for :meth:`load`."""
        values = tuple(getattr(self, field.name) for field in fields(self))
        return base64.b64encode(pickle.dumps(values)).decode()

    @classmethod
    def load(cls, text: str) -> Configured:
        """Return what was dumped; only from who is of our user."""
        return cls(*pickle.loads(base64.b64decode(text)))  # noqa: S301
