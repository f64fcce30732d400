"""settings.DURABLE as one frozen dataclass; nothing else reads Django's settings or the environment for it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import Any

from django.conf import settings as django_settings
from django.core.signals import setting_changed

from .errors import InvalidSettings


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Every setting, its default and its unit. Times are seconds, sizes bytes."""

    DATABASE: str = "default"
    APPLICATION_NAME: str = ""
    APPLICATION_VERSION: str | None = None
    EXECUTOR_ID: str | None = None
    CONCURRENCY: int = 50
    PROCESSES: int = 1
    QUEUES: tuple[str, ...] | None = None
    LEASE_SECONDS: float = 15.0
    POLL_SECONDS: float = 1.0
    SHUTDOWN_GRACE_SECONDS: float = 30.0
    PARK_AFTER_SECONDS: float = 1.0
    MAX_RECOVERY_ATTEMPTS: int | None = 100
    SERIALIZER: str = "json"
    MAX_PAYLOAD_BYTES: int = 64 * 1024 * 1024
    LISTEN_NOTIFY: bool = True
    PREPARED_STATEMENTS: bool = True
    API: Mapping[str, Any] = field(default_factory=dict)
    DASHBOARD: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, least in (
            ("CONCURRENCY", 1),
            ("PROCESSES", 1),
            ("LEASE_SECONDS", 0.5),
            ("POLL_SECONDS", 0.01),
            ("SHUTDOWN_GRACE_SECONDS", 0),
            ("PARK_AFTER_SECONDS", 0),
            ("MAX_PAYLOAD_BYTES", 1024),
        ):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or value < least:
                raise InvalidSettings(problem=f"{name} = {value!r}; give a number of at least {least}.")
        if self.DATABASE not in django_settings.DATABASES:
            raise InvalidSettings(problem=f"DATABASE = {self.DATABASE!r} is not in DATABASES.")
        if isinstance(self.QUEUES, str):
            raise InvalidSettings(problem=f"QUEUES = {self.QUEUES!r}; give a list of names, or None for all.")


@lru_cache(maxsize=1)
def conf() -> Settings:
    """The settings in force. Raises `InvalidSettings` with the nearest known name when a key is unknown."""
    given = dict(getattr(django_settings, "DURABLE", {}))
    known = [f.name for f in fields(Settings)]
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}."
            raise InvalidSettings(problem=f"{key!r} is unknown; {hint}")
    if not given.get("APPLICATION_NAME"):
        given["APPLICATION_NAME"] = str(getattr(django_settings, "ROOT_URLCONF", "") or "durable").partition(".")[0]
    if isinstance(given.get("QUEUES"), list):
        given["QUEUES"] = tuple(given["QUEUES"])
    return Settings(**given)


def _forget(*, setting: str, **_: Any) -> None:
    if setting in ("DURABLE", "DATABASES"):
        conf.cache_clear()


setting_changed.connect(_forget)
