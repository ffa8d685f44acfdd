"""The app to install. It starts nothing: commands, migrations and tests load it too."""
from __future__ import annotations

from django.apps import AppConfig
from django.core import checks

from .checks import check


class ProcessmanConfig(AppConfig):  # type: ignore[misc]
    """Registers the system checks."""

    name = "processman.contrib.django"
    label = "processman"
    verbose_name = "processman"

    def ready(self) -> None:
        """Register the checks, with a tag of their own."""
        checks.register(check, "processman")
