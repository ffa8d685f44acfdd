"""The hook file, which makes a stock PocketBase start a manager: writing, reading and removing it."""
from __future__ import annotations

import json
import os
import re
import sys
from importlib import resources
from pathlib import Path

from .._version import __version__
from ..errors import ProcessmanError

NAME = "processman.pb.js"
#: what the manager may write into PocketBase's logs: each holds what the next does
BRIDGES = ("all", "stderr", "events", "none")
#: how our file begins, with the version that wrote it; a person's own does not
_OURS = re.compile(r"// processman ([^\s:]+): written by `processman pocketbase install`")
#: what that version wrote into it
_INSTALLED = re.compile(r"^    const installed = (\{.*\})$", re.M)
_PACKAGE = __package__.partition(".")[0]


class HookFile:
    """The hook file of the PocketBase project in *directory*, written or not.

    :param hooks: where PocketBase has its hooks, if that is another folder.
    """

    def __init__(self, directory: Path, *, hooks: Path | None = None) -> None:
        self.path = (hooks or directory / "pb_hooks") / NAME

    def version(self) -> str | None:
        """Return the version that wrote it; ``None`` where there is none.

        :raises ProcessmanError: there is a file of its name that is not ours.
        """
        text = self._read()
        ours = _OURS.match(text) if text is not None else None
        if text is not None and ours is None:
            raise ProcessmanError(f"cannot use {self.path}: somebody else wrote it; rename it, or move it away")
        return ours and ours[1]

    def install(self, *, bridge: str) -> bool:
        """Write it; return whether anything had to be changed.

        :raises ProcessmanError: there is a file of its name that is not ours.
        """
        self.version()
        text = render(bridge)
        if text == self._read():
            return False
        folder = self.path.parent
        folder.mkdir(parents=True, exist_ok=True)
        # beside the folder: PocketBase watches it, and restarts for whatever comes into it
        new = folder.resolve().with_name(f".{NAME}.{os.getpid()}.new")
        try:
            new.write_text(text, "utf-8")
            new.chmod(0o644)
            new.replace(self.path)
        finally:
            new.unlink(missing_ok=True)
        return True

    def uninstall(self) -> bool:
        """Remove it; return whether there was one.

        :raises ProcessmanError: there is a file of its name that is not ours.
        """
        if self.version() is None:
            return False
        self.path.unlink()
        return True

    def bridge(self) -> str | None:
        """Return what it was installed to write into PocketBase's logs; ``None`` where there is none of ours."""
        return self._installed("bridge")

    def python(self) -> str | None:
        """Return the Python that it starts; ``None`` where there is none of ours."""
        return self._installed("python")

    def _installed(self, what: str) -> str | None:
        found = _INSTALLED.search(self._read() or "")
        return str(json.loads(found[1])[what]) if found else None

    def _read(self) -> str | None:
        try:
            return self.path.read_text("utf-8", "replace")
        except FileNotFoundError:
            return None


def render(bridge: str) -> str:
    """Return the text of the hook file for this Python and this version."""
    package = resources.files(_PACKAGE)
    installed = {"python": sys.executable, "bridge": bridge, "dashboard": str(package / "dashboard")}
    text = (package / "pocketbase" / "hook.pb.js.in").read_text("utf-8")
    return text.replace("@VERSION@", __version__).replace("@INSTALLED@", json.dumps(installed))

