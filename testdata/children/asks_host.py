"""Ask the host at PB_PORT whether it is well, at the beginning and, once told to end, at the end."""
from __future__ import annotations

import os
import signal
import time
import urllib.request
from types import FrameType
from typing import Any

ADDRESS = f"http://127.0.0.1:{os.environ['PB_PORT']}/api/health"


def ask(word: str) -> None:
    """Print *word* and the status of the answer, or what kept it away."""
    answer: Any
    try:
        with urllib.request.urlopen(ADDRESS, timeout=5) as response:
            answer = response.status
    except OSError as error:
        answer = type(error).__name__
    print(word, answer, flush=True)


def end(number: int, frame: FrameType | None) -> None:
    """Ask once more, and end."""
    ask("bye")
    raise SystemExit(0)


signal.signal(signal.SIGTERM, end)
ask("ready")
time.sleep(600)
