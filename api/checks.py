"""System checks of DURABLE["API"], so that a slip there does not wait for the first request."""

from __future__ import annotations

import difflib
from typing import Any

from django.core.checks import CheckMessage, Error, register
from django.utils.module_loading import import_string

from durable.conf import conf
from durable.errors import InvalidSettings

CLASS_LISTS = ("AUTHENTICATION_CLASSES", "THROTTLE_CLASSES")


@register
def check_settings(**_: Any) -> list[CheckMessage]:
    """Every key is known and every class can be imported."""
    try:
        chosen = conf().API
    except InvalidSettings:
        return []  # the engine's own check says so
    return [error for key, paths in chosen.items() for error in _check(key, paths)]


def _check(key: str, paths: Any) -> list[CheckMessage]:
    if key not in CLASS_LISTS:
        near = difflib.get_close_matches(key, CLASS_LISTS, 1)
        hint = f"Did you mean {near[0]}?" if near else f"Known are {', '.join(CLASS_LISTS)}."
        return [Error(f"DURABLE['API'] has an unknown key {key!r}.", hint=hint, id="durable_api.E001")]
    if not isinstance(paths, (list, tuple)):
        return [Error(f"DURABLE['API'][{key!r}] is no list of dotted paths.", id="durable_api.E002")]
    return [error for path in paths if isinstance(path, str) for error in _check_import(key, path)]


def _check_import(key: str, path: str) -> list[CheckMessage]:
    try:
        import_string(path)
    except ImportError as error:
        return [Error(f"DURABLE['API'][{key!r}] names {path!r}: {error}", id="durable_api.E003")]
    return []
