"""DBOS.sql_session: SQLAlchemy's session on the connection, and in the transaction, of a @DBOS.transaction.

So what it writes commits together with the step's record. Programs that use it have SQLAlchemy; nothing else needs it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from functools import cache, wraps
from typing import Any

from django.db import connections

from .error import DBOSException

DIALECTS: dict[str, tuple[str, dict[str, Any]]] = {
    "postgresql": ("postgresql+psycopg://", {"use_native_hstore": False}),
    "sqlite": ("sqlite://", {}),
}
_lent: ContextVar[dict[str, Any] | None] = ContextVar("dbos_sql_session", default=None)
"""The alias of the calling transaction and, once it was asked for, its session."""


class Borrowed:
    """A driver's connection whose transaction is Django's to end."""

    def __init__(self, raw: Any):
        vars(self)["raw"] = raw
        for name in ("commit", "rollback", "close"):
            vars(self)[name] = lambda: None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.raw, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.raw, name, value)


def current() -> Any:
    """The session of the calling transaction. Raises `DBOSException` elsewhere, and without SQLAlchemy."""
    lent = _lent.get()
    if lent is None:
        raise DBOSException("DBOS.sql_session is there only in a function decorated with @DBOS.transaction()")
    try:
        from sqlalchemy.orm import Session
    except ImportError as error:
        raise DBOSException(
            "DBOS.sql_session is SQLAlchemy's, which is not installed: install it, or use Django's ORM or "
            "django.db.connection.cursor(), which are in the same transaction"
        ) from error
    return lent.setdefault("session", Session(_engine(lent["alias"], connections[lent["alias"]].vendor)))


@cache
def _engine(alias: str, vendor: str) -> Any:
    from sqlalchemy import create_engine, pool

    dialect, options = DIALECTS[vendor]
    return create_engine(
        dialect, creator=lambda: Borrowed(connections[alias].connection), poolclass=pool.NullPool, **options
    )


def with_session(fn: Callable[..., Any], alias: Callable[[], str]) -> Callable[..., Any]:
    """`fn`, in which `DBOS.sql_session` works. It is called in a transaction of Django's on `alias()`."""

    @wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        if _lent.get() is not None:  # a transaction in a transaction is part of it
            return fn(*args, **kwargs)
        lent: dict[str, Any] = {"alias": alias()}
        token = _lent.set(lent)
        try:
            value = fn(*args, **kwargs)
            if "session" in lent:
                lent["session"].flush()
            return value
        except Exception as error:
            here: Any = connections[lent["alias"]]
            original = getattr(error, "orig", None)
            if isinstance(original, here.Database.OperationalError):
                with here.wrap_database_errors:  # Django's error, for a conflict after which all is tried again
                    raise original from error
            raise
        finally:
            _lent.reset(token)
            if "session" in lent:
                lent["session"].close()

    return call
