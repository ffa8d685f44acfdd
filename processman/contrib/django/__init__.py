"""Django: an app to install, urls to include, and one line in ``wsgi.py`` and in ``asgi.py``::

    processman.contrib.django.start()
"""
from __future__ import annotations

from ...autostart import autostart
from .auth import superuser
from .conf import manager
from .urls import bearer_urls

__all__ = ["bearer_urls", "manager", "start", "superuser"]


def start() -> None:
    """Start the manager, if this process serves the site. For ``wsgi.py`` and ``asgi.py``.

    What is wrong in the configuration file is logged, and the site goes on without processes.

    :raises ConfigError: ``PROCESSMAN`` in the settings is wrong.
    """
    autostart(manager())
