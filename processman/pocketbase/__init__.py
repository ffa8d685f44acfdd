"""PocketBase: what a stock binary needs to have processes of its own, and what its superusers may do here."""
from __future__ import annotations

from .auth import PocketBaseAuth

__all__ = ["PocketBaseAuth"]
