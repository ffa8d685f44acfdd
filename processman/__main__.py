"""``python -m processman``: the same as the command ``processman``."""
from __future__ import annotations

from .cli import main

if __name__ == "__main__":
    raise SystemExit(main())
