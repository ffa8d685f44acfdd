"""Who may ask, unless ``AUTH`` names somebody else: active superusers."""
from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import Error

from ...wsgi import AuthUnavailable, Identity

if TYPE_CHECKING:
    from django.http import HttpRequest


def superuser(request: HttpRequest) -> Identity | bool | None:
    """Let in active superusers; others who are logged in may not come in, and the rest is nobody.

    :raises AuthUnavailable: the database cannot tell now.
    """
    try:
        user = getattr(request, "user", None)
        if user is None or not user.is_authenticated:
            return None
    except Error as error:
        raise AuthUnavailable(f"the database does not answer: {error}") from error
    # models of one's own may lack either
    allowed = getattr(user, "is_active", False) and getattr(user, "is_superuser", False)
    return Identity(user.get_username()) if allowed is True else False
