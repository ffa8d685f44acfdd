"""PocketBase: what its superusers may do here, and how it and its processes begin and end together."""
from __future__ import annotations

from .auth import PocketBaseAuth

__all__ = ["PocketBaseAuth"]
