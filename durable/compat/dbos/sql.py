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
"""The alias of the calling transaction, what makes its session and, once it was asked for, that session."""


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


def current(name: str = "DBOS.sql_session", decorator: str = "@DBOS.transaction()", alias: str | None = None) -> Any:
    """The session of the calling transaction. Raises `DBOSException` elsewhere, also in a transaction of another
    database than `alias`, and without SQLAlchemy."""
    lent = _lent.get()
    if lent is None or alias not in (None, lent["alias"]):
        raise DBOSException(f"{name} is there only in a function decorated with {decorator}")
    try:
        from sqlalchemy.orm import Session
    except ImportError as error:
        raise DBOSException(
            f"{name} is SQLAlchemy's, which is not installed: install it, or use Django's ORM or "
            "django.db.connection.cursor(), which are in the same transaction"
        ) from error
    if "session" not in lent:
        lent["session"] = (lent["maker"] or Session)(bind=_engine(lent["alias"], connections[lent["alias"]].vendor))
    return lent["session"]


@cache
def _engine(alias: str, vendor: str) -> Any:
    from sqlalchemy import create_engine, pool

    dialect, options = DIALECTS[vendor]
    return create_engine(
        dialect, creator=lambda: Borrowed(connections[alias].connection), poolclass=pool.NullPool, **options
    )


def with_session(fn: Callable[..., Any], alias: Callable[[], str], maker: Any = None) -> Callable[..., Any]:
    """`fn`, in which `DBOS.sql_session` works. It is called in a transaction of Django's on `alias()`.

    `maker`: a `sessionmaker` of the program, default SQLAlchemy's `Session`.
    """

    @wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        lent = _lent.get()
        if lent is not None and lent["alias"] == alias():  # a transaction in a transaction is part of it
            return fn(*args, **kwargs)
        lent = {"alias": alias(), "maker": maker}
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
