"""A process as a host has configured it, and as an owner leaves it to the next."""
from __future__ import annotations

import base64
import hashlib
import pickle
from dataclasses import dataclass

from .config import KEYS, ProcessConfig


@dataclass(frozen=True)
class Configured:
    """One process, and where it was configured."""

    config: ProcessConfig
    #: its env values are templates
    templated: bool = False
    #: it was registered while the rest ran already: no host brings it along, and it stays until it is removed
    lasting: bool = False

    @property
    def spec(self) -> str:
        """Tell whether two mean the same. Nobody can tell a secret from it."""
        values = {name: getattr(self.config, name) for name in KEYS} | {"env": sorted(self.config.env.items())}
        text = repr((values, self.templated))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    def dump(self) -> str:
        """Return it as text, for :meth:`load`."""
        return base64.b64encode(pickle.dumps((self.config, self.templated, self.lasting))).decode()

    @classmethod
    def load(cls, text: str) -> Configured:
        """Return what was dumped; only from who is of our user."""
        return cls(*pickle.loads(base64.b64decode(text)))  # noqa: S301
