"""What is printed: a table that fits, colours where they are welcome, nothing that drives the terminal."""
from __future__ import annotations

import json
import os
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime
from math import ceil
from typing import Any, TextIO
from zlib import crc32

from ..bridge import printable

_HEAD = {name: name.upper() for name in ("id", "status", "pid", "uptime", "restarts", "note")}
#: what a narrow terminal goes without, the least important first
_DROPPED = ("restarts", "uptime", "pid", "note")
_NOTE = 16
_STATUS = {"running": 32, "starting": 33, "stopping": 33, "crashed": 31, "failed": 31}
_GREY, _RED = 90, 31
_HUES = (36, 35, 34, 32, 33, 96, 95, 94, 92, 93)


def colourful(stream: TextIO) -> bool:
    """Tell whether colours are welcome on *stream*."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"


def paint(text: str, colour: int) -> str:
    """Return *text* in a colour."""
    return f"\x1b[{colour}m{text}\x1b[0m"


def hue(process_id: str) -> int:
    """Return the colour of a process, the same each time."""
    return _HUES[crc32(process_id.encode()) % len(_HUES)]


def line_of(process_id: str, stream: str, content: str, *, coloured: bool) -> str:
    """Return one line of output with the process that wrote it; ``!`` marks standard error."""
    prefix, text = f"[{process_id}{'!' if stream == 'stderr' else ''}]", printable(content)
    if coloured:
        prefix, text = paint(prefix, hue(process_id)), paint(text, _RED) if stream == "stderr" else text
    return f"{prefix} {text}"


def print_json(value: object, *, indent: int | None = 2) -> None:
    """Print *value* in ASCII: the escapes of JSON keep a terminal as safe as ours."""
    print(json.dumps(value, indent=indent), flush=indent is None)


def row(process: Mapping[str, Any], now: datetime) -> dict[str, str]:
    """Return what the table says of *process*."""
    cells = {**process, "restarts": process["restartCount"], "note": note(process, now)}
    texts = {name: "-" if cells[name] is None else str(cells[name]) for name in _HEAD}
    return {name: printable(text).replace("\t", " ") for name, text in texts.items()}


def note(process: Mapping[str, Any], now: datetime) -> str:
    """Say why *process* is what it is."""
    error, watch = process["lastError"], process.get("watch") or ""
    if process.get("escaped"):
        return f"cannot end {', '.join(process['escaped'])}"
    if process.get("nextRetryAt"):
        left = datetime.fromisoformat(process["nextRetryAt"]) - now
        return f"retry in {max(0, ceil(left.total_seconds()))} s: {error}"
    if process["status"] == "exited":
        return f"exit code {process.get('exitCode')}"
    if process["status"] != "running":
        return str(error)
    return f"watch {watch}" if watch.startswith("degraded") else ""


def table(rows: Sequence[Mapping[str, str]], *, width: int | None, coloured: bool) -> list[str]:
    """Return the lines of the table; *width* ``None`` is as wide as it takes."""
    cells = [_HEAD, *rows]
    widths = {name: max(_columns(cell[name]) for cell in cells) for name in _HEAD}
    if width is not None:
        for name in _DROPPED:
            if sum(widths.values()) - max(widths.get("note", 0) - _NOTE, 0) + 2 * (len(widths) - 1) <= width:
                break
            del widths[name]
    return [_line(cell, widths, width, coloured and cell is not _HEAD) for cell in cells]


def _line(cells: Mapping[str, str], widths: Mapping[str, int], width: int | None, coloured: bool) -> str:
    padded = [cells[name] + " " * (size - _columns(cells[name])) for name, size in widths.items()]
    text = _cut("  ".join(padded).rstrip(), width)
    status = cells["status"]
    if coloured and text.startswith(start := f"{padded[0]}  {status}"):
        return f"{padded[0]}  {paint(status, _STATUS.get(status, _GREY))}{text[len(start):]}"
    return text


def _columns(text: str) -> int:
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(unicodedata.combining(char) > 0 for char in text)


def _cut(text: str, width: int | None) -> str:
    if width is None or _columns(text) <= width:
        return text
    while text and _columns(text) > width - 1:
        text = text[:-1]
    return text + "\N{HORIZONTAL ELLIPSIS}"


def terminal_width() -> int | None:
    """Return how wide standard output is; ``None`` when it is no terminal."""
    return os.get_terminal_size(sys.stdout.fileno()).columns or 80 if sys.stdout.isatty() else None
