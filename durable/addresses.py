"""The address of a database as Django describes databases: what follows `DATABASES = {"default": ...}`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

from .errors import InvalidOption

POSTGRESQL = {"postgres", "postgresql", "postgresql+psycopg"}
IN_THE_QUERY = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD", "dbname": "NAME"}
"""What libpq takes from either place, and Django from its own key."""
PLACE = re.compile(r"(?:\[(?P<bare>[0-9A-Fa-f:.]+)\]|(?P<host>[^:\[\]@/]*))(?::(?P<port>[0-9]{0,5}))?")


def described(url: str) -> dict[str, Any]:
    """Django's description of the database at `url`.

    `postgresql://user:password@host:5432/name?sslmode=require` (also `postgres://` and `postgresql+psycopg://`), whose
    query goes to the driver; `sqlite:///relative/path` or `sqlite:////absolute/path`, with `?timeout=seconds` at most.
    Percent-escapes are read in every part. Raises `InvalidOption`, which shows no password.
    """
    if not isinstance(url, str) or "\0" in url:
        raise InvalidOption(option="database_url", value=type(url).__name__, hint="give text, without U+0000")
    scheme, _, rest = url.strip().partition("://")
    place, _, query = rest.partition("?")
    if scheme.lower() == "sqlite":
        return _sqlite(url, place, query)
    if scheme.lower() in POSTGRESQL:
        return _postgresql(url, place, query)
    hint = "begin it with postgresql:// or sqlite:///, the databases that Durable runs on"
    raise InvalidOption(option="database_url", value=shown(url), hint=hint)


def sqlite(path: Path, timeout: float = 20) -> dict[str, Any]:
    """A SQLite file on this machine, set so that several processes share it and a crash loses nothing acknowledged."""
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": path,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": timeout,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
        },
    }


def shown(url: str) -> str:
    """`url` for people to read: without its password."""
    masked = re.sub(r"(?s)(?<=://)([^:@/?]*):.*@", r"\1:***@", url)
    return re.sub(r"(?i)([?&]\w*password)=[^&]*", r"\1=***", masked)


def _sqlite(url: str, place: str, query: str) -> dict[str, Any]:
    path = unquote(place[1:])
    if not place.startswith("/") or not path or path.endswith("/") or path == ":memory:":
        hint = "name a file, which every process can open: sqlite:///relative/path or sqlite:////absolute/path"
        raise InvalidOption(option="database_url", value=url, hint=hint)
    timeout = 20.0
    for name, value in parse_qsl(query, keep_blank_values=True):
        try:
            if name != "timeout" or not 0 <= float(value) < 10**6:
                raise ValueError
        except ValueError:
            hint = "the only option of a SQLite address is ?timeout=seconds"
            raise InvalidOption(option="database_url", value=url, hint=hint) from None
        timeout = float(value)
    return sqlite(Path(path), timeout)


def _postgresql(url: str, place: str, query: str) -> dict[str, Any]:
    login, _, place = place.rpartition("@")
    servers, _, name = place.partition("/")
    user, _, password = login.partition(":")
    try:
        hosts, ports = zip(*_places(servers), strict=True)
    except ValueError:
        hint = "write the server as host:5432 or [::1]:5432, and escape / and @ in a password as %2F and %40"
        raise InvalidOption(option="database_url", value=shown(url), hint=hint) from None
    found = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(name),
        "USER": unquote(user),
        "PASSWORD": unquote(password),
        "HOST": ",".join(hosts),
        "PORT": ",".join(ports) if any(ports) else "",
    }
    options = dict(parse_qsl(query))
    for option, key in IN_THE_QUERY.items():
        found[key] = found[key] or options.pop(option, "")
    if not found["NAME"] and "service" not in options:
        raise InvalidOption(option="database_url", value=shown(url), hint="name the database: postgresql://host/name")
    return {**found, "OPTIONS": options}


def _places(text: str) -> Iterator[tuple[str, str]]:
    """Host and port of each server in `host:port,host:port`. A host may be a percent-escaped folder of a socket."""
    for place in text.split(","):
        found = PLACE.fullmatch(place)
        if not found:
            raise ValueError(place)
        yield unquote(found["bare"] or found["host"]), found["port"] or ""
