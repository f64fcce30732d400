"""Reaching a database by its address, from a process that may not even know Django.

It is imported before Django may be configured, so it imports what needs models when that is used.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

import django
from django.apps import apps
from django.conf import settings
from django.db import DatabaseError, OperationalError, connections

from .addresses import described, shown
from .conf import conf, on_database
from .errors import DatabaseAway, ImproperUse, InvalidOption

KEPT_OPEN = {"CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": True}
"""No request ends here after which Django would look at its connections: they are looked at before each use."""
NO_TABLES = ("42P01", "42703")
"""SQLSTATE of a table, or a column, that is not there."""
UNREACHED = ("08", "28", "3D", "57")
"""SQLSTATE classes of a connection, a login or a database that is not there, or of a server that shuts down."""

_lock = threading.RLock()
_added: dict[tuple[str, ...], str] = {}
"""Aliases that were added here, by where they lead."""


class Place:
    """A database as a client names it: by address, by an alias of the project, or not at all (the engine's)."""

    def __init__(self, url: str | None = None, alias: str | None = None, application: str | None = None):
        if url is not None and alias is not None:
            raise InvalidOption(option="alias", value=alias, hint="give an address or an alias, not both")
        if application is not None and not (isinstance(application, str) and application.strip()):
            raise InvalidOption(option="application", value=application, hint="give its name")
        self.description = None if url is None else {**described(url), **KEPT_OPEN}
        self.name = f"the database at {shown(url)}" if url else f"the database {alias!r}" if alias else "the database"
        self.is_ours = False
        """Whether its connections are nobody else's, so that they may be looked after and closed here."""
        self.changes = {} if application is None else {"APPLICATION_NAME": application}
        self._alias = alias
        self._is_found = False
        if self.description and not is_configured():
            configure(self.description)

    @property
    def alias(self) -> str:
        """Django's name of it; known once Django is ready."""
        self.make_ready()
        assert self._alias is not None
        return self._alias

    def make_ready(self) -> None:
        """Load Django's apps in a script that did not, and find or add the alias. Raises `ImproperUse`."""
        if self._is_found:
            return
        with _lock:
            if not apps.models_ready:
                django.setup()
            if not apps.is_installed("durable"):
                raise ImproperUse("'durable' is not in INSTALLED_APPS of these Django settings: add it.")
            if self.description is not None:
                self._alias, self.is_ours = alias_of(self.description)
            self._alias = self._alias or conf().DATABASE
            self._is_found = True

    @contextmanager
    def reached(self) -> Iterator[None]:
        """Verbs in the block work here. Raises `DatabaseAway`, and `ImproperUse` when tables are missing."""
        alias = self.alias
        self.look_after()
        connection = connections[alias]
        hooks = len(connection.run_on_commit)
        try:
            with on_database(alias, **self.changes):
                yield
        except DatabaseError as error:
            raise self._explained(error) from error
        finally:  # what an open atomic() of the caller does when it commits, it must do here, too
            added: list[Any] = connection.run_on_commit[hooks:]
            connection.run_on_commit[hooks:] = [(each[0], partial(self._later, each[1]), *each[2:]) for each in added]

    def close(self) -> None:
        """Give back this thread's connection, and stop listening unless an executor of this process listens too."""
        from .executor import hub, living

        alias = self.alias
        if self.is_ours:
            connections[alias].close()
            if living.current(alias, connections[alias].vendor) is None:
                hub.stop_hubs(alias)

    def look_after(self) -> None:
        """In the thread that is to use it: leave no connection that was lost, and create no SQLite file by looking for
        one. Raises `DatabaseAway`."""
        alias = self.alias
        if not self.is_ours:
            return
        path = Path(str(connections.settings[alias]["NAME"]))
        if connections[alias].vendor == "sqlite" and not path.exists():
            raise self._away(f"there is no file {path}")
        if not connections[alias].in_atomic_block:
            connections[alias].close_if_unusable_or_obsolete()

    def _later(self, hook: Callable[[], Any]) -> None:
        with on_database(self.alias, **self.changes):
            hook()

    def _explained(self, error: DatabaseError) -> Exception:
        text = str(error).strip()
        state = getattr(error.__cause__, "sqlstate", None)
        if state in NO_TABLES or any(words in text for words in ("no such table", "no such column", "has no column")):
            return ImproperUse(
                f"Durable's tables are missing in {self.name}, or are older than this version of Durable. Run the "
                f"application's manage.py migrate on it. ({text})"
            )
        if connections[self.alias].vendor == "postgresql":
            is_away = state is None or state[:2] in UNREACHED
        else:
            is_away = "unable to open" in text
        return self._away(text) if is_away and isinstance(error, OperationalError) else error

    def _away(self, reason: str) -> DatabaseAway:
        reason = " ".join(reason.split())
        text = f"{self.name[0].upper()}{self.name[1:]} cannot be reached. Check the address and the server. ({reason})"
        return DatabaseAway(text, alias=self._alias, reason=reason)


def is_configured() -> bool:
    """Whether Django has settings here, or knows where they are."""
    return settings.configured or "DJANGO_SETTINGS_MODULE" in os.environ


def configure(description: dict[str, Any]) -> None:
    """Set Django up for this one database: nothing but Durable's own app, and the host's logging left alone."""
    with _lock:
        settings.configure(
            DATABASES={"default": dict(description)}, INSTALLED_APPS=["durable"], LOGGING_CONFIG=None, TIME_ZONE="UTC",
            USE_TZ=True, DEFAULT_AUTO_FIELD="django.db.models.BigAutoField", SECRET_KEY=token_urlsafe(),
        )  # fmt: skip
        _added[where(description)] = "default"
        django.setup()


def alias_of(description: dict[str, Any]) -> tuple[str, bool]:
    """The alias that leads to a database, added when there is none; and whether it was added, by this or another."""
    wanted = where(description)
    known = connections.settings
    for alias, each in known.items():
        if where(each) == wanted:
            return alias, _added.get(wanted) == alias
    alias = f"durable-client-{len(_added) + 1}"
    ready = connections.configure_settings({"default": dict(description)})["default"]
    connections.settings = {**known, alias: ready}  # a new one: another thread may be walking over the old
    _added[wanted] = alias
    return alias, True


def was_added(alias: str) -> bool:
    """Whether an alias came by an address given here, and not from the settings of a project."""
    return alias in _added.values()


def where(description: dict[str, Any]) -> tuple[str, ...]:
    """What tells one database, and who uses it, from another."""
    parts = {key: str(description.get(key) or "") for key in ("ENGINE", "NAME", "USER", "PASSWORD", "HOST", "PORT")}
    if "sqlite" in parts["ENGINE"]:
        parts["NAME"] = os.path.abspath(parts["NAME"])
    return tuple(parts.values())
