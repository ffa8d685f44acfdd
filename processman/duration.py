"""Durations: Go's spelling (``500ms``, ``1h2m``) to seconds and back."""
from __future__ import annotations

import re
from datetime import timedelta

#: What a duration must be. The schema says the same in the same words.
RULE = "must be a duration such as 500ms, 1.5s, 2m or 1h2m, more than 0 and at most 24h"

LEAST = 1e-9
MOST = 24 * 3600.0
#: characters; nobody spells a duration longer than this
LENGTH = 64

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
# linear: every part begins with a digit or a point and ends with a letter
_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_WHOLE = re.compile(rf"(?:{_PART.pattern})+")
_SECOND = 1_000_000_000
_SMALL = ((1_000_000, "ms"), (1_000, "us"), (1, "ns"))


def parse(text: str) -> float:
    """Return the seconds that *text* says.

    :raises ValueError: it is no duration, not more than 0, or more than 24h; the message is the rule.
    """
    if len(text) > LENGTH or not _WHOLE.fullmatch(text):
        raise ValueError(RULE)
    return _bounded(sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text)))


def seconds(value: str | float | timedelta) -> float:
    """Return the seconds of what code may give: text, a number of seconds, or a ``timedelta``.

    :raises ValueError: as in :func:`parse`, and for anything else.
    """
    if isinstance(value, str):
        return parse(value)
    if isinstance(value, timedelta):
        return _bounded(value.total_seconds())
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _bounded(value)
    raise ValueError(RULE)


def text(seconds: float) -> str:
    """Spell *seconds* as Go does: ``0s``, ``500ms``, ``1.5s``, ``2h30m15s``."""
    nanoseconds = round(seconds * _SECOND)
    if nanoseconds >= _SECOND:
        return _clock(nanoseconds)
    for size, unit in _SMALL:
        if nanoseconds >= size:
            return _decimal(nanoseconds, size) + unit
    return "0s"


def _bounded(value: float) -> float:
    # written so that NaN fails, and before float(), which an enormous int would overflow
    if not LEAST <= value <= MOST:
        raise ValueError(RULE)
    return float(value)


def _clock(nanoseconds: int) -> str:
    minutes, rest = divmod(nanoseconds, 60 * _SECOND)
    spelled = _decimal(rest, _SECOND) + "s"
    if not minutes:
        return spelled
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{spelled}" if hours else f"{minutes}m{spelled}"


def _decimal(value: int, size: int) -> str:
    whole, rest = divmod(value, size)
    return f"{whole}.{rest:0{len(str(size)) - 1}d}".rstrip("0") if rest else str(whole)
