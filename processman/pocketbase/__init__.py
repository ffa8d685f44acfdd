"""Processes beside a stock PocketBase, and its superusers as those who may ask for them."""
from __future__ import annotations

from .auth import PocketBaseAuth

__all__ = ["PocketBaseAuth"]
