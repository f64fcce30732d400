"""Reads the settings of this site from the environment: flags, lists, the database's address, the secret key."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key

TRUE = {"1", "true", "yes", "on"}
FALSE = {"", "0", "false", "no", "off"}


def flag(name: str, default: bool = False) -> bool:
    """The environment variable `name` as yes or no; `default` when it is not set. Raises on any other word."""
    value = os.environ.get(name)
    if value is None:
        return default
    if value.lower() not in TRUE | FALSE:
        raise ImproperlyConfigured(f"{name}={value!r} is neither yes nor no; give 1 or 0.")
    return value.lower() in TRUE


def words(name: str, default: str = "") -> list[str]:
    """The environment variable `name` as a list, split at commas."""
    return [word.strip() for word in os.environ.get(name, default).split(",") if word.strip()]


def private_folder(path: Path) -> Path:
    """`path`, made for its owner alone when it is missing."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def sqlite(path: Path) -> dict[str, Any]:
    """A SQLite file on this machine, set so that several processes share it and a crash loses nothing acknowledged."""
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": path,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
        },
    }


def database(url: str) -> dict[str, Any]:
    """Django's description of the database at `url`.

    `postgresql://user:password@host:5432/name?sslmode=require` or `sqlite:////absolute/path`. What follows the
    question mark goes to the driver. Raises `ImproperlyConfigured` for any other kind.
    """
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return sqlite(Path(unquote(parts.path)[1:]))
    if parts.scheme not in {"postgres", "postgresql"}:
        raise ImproperlyConfigured(
            f"DURABLE_DATABASE_URL begins with {parts.scheme!r}; Durable works on postgresql:// and sqlite://."
        )
    options: dict[str, Any] = dict(parse_qsl(parts.query))
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path).lstrip("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or options.pop("host", "")),
        "PORT": str(parts.port or options.pop("port", "")),
        "OPTIONS": options,
    }


def secret_key(path: Path) -> str:
    """The key from DURABLE_SECRET_KEY, or one made once and kept at `path`, readable by its owner alone."""
    if given := os.environ.get("DURABLE_SECRET_KEY"):
        return given
    private_folder(path.parent)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text()
    key = get_random_secret_key()
    with os.fdopen(handle, "w") as file:
        file.write(key)
    return key
