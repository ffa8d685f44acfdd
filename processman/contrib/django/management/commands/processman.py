"""``manage.py processman``: asks the worker that leads, and starts nothing."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand

from processman.cli.inside import main
from processman.contrib.django import manager


class Command(BaseCommand):  # type: ignore[misc]
    """Its arguments are those of the command ``processman``, and are read by it."""

    help = "Ask the running processes."
    requires_system_checks: Sequence[str] = ()

    def run_from_argv(self, argv: Sequence[str]) -> None:
        """Run it from the command line, and end with its exit code."""
        raise SystemExit(self.handle(*argv[2:]))

    def handle(self, *args: Any, **_: Any) -> int:  # type: ignore[override,unused-ignore]
        """Run it; return its exit code."""
        return main(manager().config, [str(each) for each in args], prog="manage.py processman")
