"""What is no process, no callback and no status word is refused where it is given."""
from __future__ import annotations

from collections.abc import Callable

import pytest

from processman import Manager


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda manager: manager.register({"id": "web"}), TypeError, "cannot register a dict: make"),
        (lambda manager: manager.subscribe(None), TypeError, "cannot subscribe a NoneType"),
        (lambda manager: manager.wait_for("web", "bogus"), ValueError, "cannot wait for 'bogus': name one or more"),
        (lambda manager: manager.wait_for("web", []), ValueError, "cannot wait for no status"),
    ],
)
def test_a_wrong_argument_is_refused_in_words(
    call: Callable[[Manager], object], kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        call(Manager())
