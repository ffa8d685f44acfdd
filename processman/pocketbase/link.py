"""The link that PocketBase prints while it has no superuser, hidden: whoever opens it becomes one."""
from __future__ import annotations

import re
from collections import deque

from ..masking import MASK

_LINK = re.compile(rb"(/pbinstall/)([\w.-]+)")
_SHOWN = f"/pbinstall/{MASK}"


class InstallLink:
    """Hides the link in what is kept, and gives it back to a terminal, once."""

    def __init__(self) -> None:
        self._tokens: deque[str] = deque(maxlen=1)

    def hide(self, data: bytes) -> bytes:
        """Return *data*, whole lines or the beginning of one, without the token. Called by a reader thread."""
        if b"/pbinstall/" not in data:
            return data
        if data.endswith(b"\n"):  # what is just being written may be half of it
            self._tokens.extend(match[2].decode() for match in _LINK.finditer(data))
        return _LINK.sub(rb"\1" + MASK.encode(), data)

    def show(self, content: str) -> str:
        """Return the line *content* as PocketBase wrote it, where it is one whose link was not shown yet."""
        if _SHOWN not in content or not self._tokens:
            return content
        return content.replace(_SHOWN, f"/pbinstall/{self._tokens.pop()}")
