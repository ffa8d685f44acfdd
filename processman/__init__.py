"""A process manager inside your application: starts sidecars, keeps them alive, and answers for them."""
from __future__ import annotations

from ._version import __version__
from .config import Config, ProcessConfig
from .errors import (
    AlreadyRunning,
    ChangingHands,
    ConfigError,
    DuplicateProcess,
    NotOwner,
    NotStarted,
    Overruled,
    ProcessmanError,
    ProcessNotFound,
    StartFailed,
    StopFailed,
    WaitTimeout,
)
from .events import Event, Gap, LogLine
from .manager import Manager
from .states import State, Status

__all__ = [
    "AlreadyRunning",
    "ChangingHands",
    "Config",
    "ConfigError",
    "DuplicateProcess",
    "Event",
    "Gap",
    "LogLine",
    "Manager",
    "NotOwner",
    "NotStarted",
    "Overruled",
    "ProcessConfig",
    "ProcessNotFound",
    "ProcessmanError",
    "StartFailed",
    "State",
    "Status",
    "StopFailed",
    "WaitTimeout",
    "__version__",
]
