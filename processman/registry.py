"""What one host configures: what it registers in code, and what its file holds."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .config import Config, ProcessConfig
from .configured import Configured
from .errors import DuplicateProcess, ProcessNotFound


class Registry:
    """The registry of one Manager. Registrations stay over its lives; the file is read at the start of each."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._registered: dict[str, ProcessConfig] = {}
        self._configured: dict[str, Configured] = {}

    def __contains__(self, id: object) -> bool:
        return id in self._registered or id in self._configured

    @property
    def registered(self) -> Mapping[str, ProcessConfig]:
        """What was registered in code, by id; not to be kept."""
        return self._registered

    @property
    def configured(self) -> Sequence[Configured]:
        """All that was configured in this life, in code and in the file."""
        return tuple(self._configured.values())

    def registration(self, id: str) -> ProcessConfig:
        """Return what was registered as *id*.

        :raises ProcessNotFound: nothing was.
        """
        config = self._registered.get(id)
        if config is None:
            raise ProcessNotFound(id)
        return config

    def add(self, configured: Configured) -> None:
        """Register it; it belongs to this life where that has begun."""
        self._registered[configured.config.id] = configured.config
        if configured.lasting:
            self._configured[configured.config.id] = configured

    def forget(self, id: str) -> None:
        """Forget *id*: it is removed."""
        self._registered.pop(id, None)
        self._configured.pop(id, None)

    def forget_removed(self, was_removed: Callable[[Configured], bool]) -> None:
        """Forget what another host has removed."""
        known = (*self._in_code().values(), *self._configured.values())
        for configured in [each for each in known if was_removed(each)]:
            self.forget(configured.config.id)

    def read(self) -> Sequence[Configured]:
        """Begin a life: return what is registered and what the file holds.

        :raises ConfigError: the file is wrong.
        :raises DuplicateProcess: an id is in both.
        """
        from .loader import load  # reads JSON, which importing us should not take time for

        found = self._in_code()
        if self._config.config_file is not None:
            data_dir = Path(self._config.data_dir).absolute()
            for process in load(data_dir / self._config.config_file, data_dir=data_dir):
                if process.id in found:
                    raise DuplicateProcess(process.id)
                found[process.id] = Configured.by(self._config, process, templated=True)
        self._configured = found
        return self.configured

    def do_without_file(self) -> Sequence[Configured]:
        """Begin a life with what is registered."""
        self._configured = self._in_code()
        return self.configured

    def end(self) -> None:
        """End this life: the next one reads the file afresh."""
        self._configured = {}

    def _in_code(self) -> dict[str, Configured]:
        return {id: Configured.by(self._config, process) for id, process in self._registered.items()}
