"""Where the API is mounted: ``path("api/pm/", include("processman.contrib.django.urls"))``."""
from __future__ import annotations

from typing import Any

from django.urls import re_path

from ...wsgi import bearer
from .views import View

app_name = "processman"

_ROUTE = r"^(?P<route>.*)$"

urlpatterns = [re_path(_ROUTE, View(), name="api")]


def bearer_urls(*tokens: str) -> tuple[list[Any], str]:
    """Return urls for programs, which send ``Authorization: Bearer`` with one of *tokens*, and no cookie::

        path("api/programs/", include(processman.contrib.django.bearer_urls(os.environ["PM_TOKEN"])))

    Sessions, ``AUTH`` and Django's CSRF token mean nothing there.

    :raises ValueError: there is no token, or one that can be guessed or never be sent.
    """
    return [re_path(_ROUTE, View(bearer(*tokens)), name="api")], "processman-bearer"
