"""What a Manager is asked is done by the owner, where that is another one."""
from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from .errors import ChangingHands

if TYPE_CHECKING:
    from .manager import Manager


def by_owner(method: Callable[..., Any], *, retries: int = 0) -> Any:
    """Have the owner do it where this Manager follows; with *retries* the next one, when that goes meanwhile."""
    @functools.wraps(method)
    def call(self: Manager, *args: object, **more: object) -> Any:
        for _ in range(retries):
            with suppress(ChangingHands):
                return call_once(self, *args, **more)
        return call_once(self, *args, **more)

    def call_once(self: Manager, *args: object, **more: object) -> Any:
        follows = self._life.followed is not None
        return self.at_owner(call, *args, **more) if follows else method(self, *args, **more)

    return call


#: for what may be asked twice
read_from_owner = functools.partial(by_owner, retries=1)
