"""The REST API as a WSGI application, to be mounted anywhere; the only package that imports werkzeug."""
from __future__ import annotations

from .app import create_app
from .auth import AuthUnavailable, Identity, bearer

__all__ = ["AuthUnavailable", "Identity", "bearer", "create_app"]
