"""Reads the settings of this site from the environment: flags, lists, the database's address, the secret key."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key

from durable.addresses import described
from durable.addresses import sqlite as sqlite  # for settings that name a file
from durable.errors import InvalidOption

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


def database(url: str) -> dict[str, Any]:
    """Django's description of the database at `url`, which is `postgresql://user:password@host:5432/name` or
    `sqlite:////absolute/path`. Raises `ImproperlyConfigured` for any other kind."""
    try:
        return described(url)
    except InvalidOption as wrong:
        raise ImproperlyConfigured(f"DURABLE_DATABASE_URL is not valid: {wrong}") from wrong


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
