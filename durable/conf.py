"""settings.DURABLE as one frozen dataclass; nothing else reads Django's settings or the environment for it."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import Any

from django.conf import settings as django_settings
from django.core.signals import setting_changed
from django.db import connections

from .errors import InvalidSettings
from .states import FINAL


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
    VERSIONS: str = "adopt"
    SERIALIZER: str = "json"
    MAX_PAYLOAD_BYTES: int = 64 * 1024 * 1024
    LISTEN_NOTIFY: bool = True
    PREPARED_STATEMENTS: bool = True
    RETENTION: Mapping[str, Any] = field(default_factory=dict)
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
        if self.VERSIONS not in ("adopt", "strict"):
            raise InvalidSettings(problem=f'VERSIONS = {self.VERSIONS!r}; give "adopt" or "strict".')
        if self.DATABASE not in connections.settings:  # which also has the aliases of clients
            raise InvalidSettings(problem=f"DATABASE = {self.DATABASE!r} is not in DATABASES.")
        if isinstance(self.QUEUES, str):
            raise InvalidSettings(problem=f"QUEUES = {self.QUEUES!r}; give a list of names, or None for all.")
        check_retention(self.RETENTION)


def check_retention(retention: Any) -> None:
    """Raises `InvalidSettings` for what is no table of rules by status, "*", and by name under "workflows"."""
    names = retention.get("workflows", {}) if isinstance(retention, Mapping) else None
    if not isinstance(names, Mapping):
        raise InvalidSettings(problem=f'RETENTION = {retention!r}; give {{"SUCCESS": {{"age": 604800}}, ...}}.')
    for key in retention:
        if key not in FINAL and key not in ("*", "workflows"):
            known = [*sorted(FINAL), "*", "workflows"]
            near = difflib.get_close_matches(str(key).upper(), known, 1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}."
            raise InvalidSettings(problem=f"RETENTION has no key {key!r}; {hint}")
    rules = {key: rule for key, rule in retention.items() if key != "workflows"}
    for key, rule in [*rules.items(), *names.items()]:
        if rule is not None and not _is_rule(rule):
            hint = 'give {"age": seconds, "rows": how many to keep} or one of the two, or None to keep all.'
            raise InvalidSettings(problem=f"RETENTION of {key!r} = {rule!r}; {hint}")


def _is_rule(rule: Any) -> bool:
    if not isinstance(rule, Mapping) or not rule or not rule.keys() <= {"age", "rows"}:
        return False
    age, rows = rule.get("age", 0), rule.get("rows", 0)
    return type(age) in (int, float) and 0 <= age <= 10**10 and type(rows) is int and 0 <= rows < 2**63


_changes: ContextVar[tuple[tuple[str, Any], ...]] = ContextVar("durable_settings", default=())


def conf() -> Settings:
    """The settings in force. Raises `InvalidSettings` with the nearest known name when a key is unknown."""
    return _settings(_changes.get())


@contextmanager
def on_database(alias: str, **changes: str) -> Iterator[None]:
    """Verbs inside the block work on the database `alias`, as if `DURABLE["DATABASE"]` named it, and with `changes`.

    For verbs that look, start and steer, which threads that Django or asyncio hands them to follow. Nothing that goes
    on after the block, such as an executor, may begin in it.
    """
    token = _changes.set((("DATABASE", alias), *changes.items()))
    try:
        yield
    finally:
        with suppress(ValueError):  # a coroutine that is closed from outside its own context has nothing to undo
            _changes.reset(token)


@lru_cache(maxsize=32)
def _settings(changes: tuple[tuple[str, Any], ...]) -> Settings:
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
    return Settings(**given | dict(changes))


conf.cache_clear = _settings.cache_clear  # type: ignore[attr-defined]  # for tests that change settings in other ways


def _forget(*, setting: str, **_: Any) -> None:
    if setting in ("DURABLE", "DATABASES"):
        _settings.cache_clear()


setting_changed.connect(_forget)
