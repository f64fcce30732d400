"""Who asks: a token or a session, or what DURABLE["API"] says instead."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.db import DataError
from django.utils.module_loading import import_string
from rest_framework.exceptions import AuthenticationFailed

from durable.conf import conf

TOKEN = "knox.auth.TokenAuthentication"
SESSION = "rest_framework.authentication.SessionAuthentication"


def authenticators() -> list[Any]:
    """One of each class in `DURABLE["API"]["AUTHENTICATION_CLASSES"]`; by default knox tokens and sessions.

    Tokens come first so that a stranger is answered 401 and told how to authenticate.
    """
    default = [TOKEN, SESSION] if apps.is_installed("knox") else [SESSION]
    return chosen("AUTHENTICATION_CLASSES", default)


def throttles() -> list[Any]:
    """One of each class in `DURABLE["API"]["THROTTLE_CLASSES"]`; none by default."""
    return chosen("THROTTLE_CLASSES", [])


def chosen(key: str, default: list[str]) -> list[Any]:
    classes = conf().API.get(key, default)
    return [(import_string(cls) if isinstance(cls, str) else cls)() for cls in classes]


def authenticate(request: Any) -> None:
    """Find out who asks. A credential that is no text, or none that the database can hold, is a wrong one."""
    try:
        request.user  # noqa: B018  reading it authenticates
    except (ValueError, DataError):
        raise AuthenticationFailed() from None


def actor_of(request: Any) -> str:
    """The name for the audit: that of the user, with the beginning of the token's key if one was used."""
    name = request.user.get_username()
    key = getattr(request.auth, "token_key", None)
    return f"{name} (token {key[:8]})" if key else name
