"""SQLAlchemyDatasource: transactions of a database by its address, on Django's connection to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypedDict

from django.db import transaction

from ...addresses import shown
from ...context import scope
from ...engine import steps
from ...engine.drive import drive
from ...options import StepOptions
from . import sql, standalone
from .apart import apart
from .declaring import engine, registry
from .decorating import IsolationLevel, declare, only_a_plain_function
from .error import DBOSException, translated

LEVELS = ("SERIALIZABLE", "REPEATABLE READ", "READ COMMITTED")


class DatasourceOptions(TypedDict, total=False):
    """How `run_tx_step` runs a function."""

    name: str | None
    isolation_level: IsolationLevel


class SQLAlchemyDatasource:
    """A database in which transactions work. Their writes and the record of their step commit together.

    Its address is the system database's, the application database's or, in a Django project, that of any alias of
    `DATABASES`; another one is refused when DBOS is launched.
    """

    def __init__(self, database_url: str, sessionmaker: Any = None):
        self.database_url, self.sessionmaker = database_url, sessionmaker
        registry.later(self)

    @classmethod
    def create(
        cls, database_url: str | None = None, engine_kwargs: dict[str, Any] | None = None, engine: Any = None,
        schema: str | None = None, serializer: Any = None, sessionmaker: Any = None, run_migrations: bool = True,
    ) -> SQLAlchemyDatasource:  # fmt: skip
        """A datasource by its address, or that of an SQLAlchemy engine. `sessionmaker` makes its sessions.

        The connection is Django's and the record is Durable's: the other arguments tune what is not there.
        """
        if engine is not None:
            database_url = str(engine.url.render_as_string(hide_password=False))
        if not isinstance(database_url, str) or "://" not in database_url:
            raise DBOSException("Give the address of a database: SQLAlchemyDatasource.create('postgresql://...')")
        return cls(database_url, sessionmaker)

    @staticmethod
    def migrate(database_url: str, *, schema: str | None = None, application_role: str | None = None) -> None:
        """Make Durable's tables in its database: see `DBOS.migrate`."""
        standalone.migrate(database_url, schema, application_role)

    @property
    def alias(self) -> str:
        """Django's name of the database. Raises `DBOSException` when it has none."""
        with translated():
            alias = standalone.alias_of(self.database_url)
        if alias is None:
            raise DBOSException(
                f"the datasource's database {shown(self.database_url)} is neither the system database nor the "
                "application database of this program. In a Django project, give it an alias in DATABASES and decorate "
                "with @durable.transaction(using=alias)"
            )
        return alias

    def make(self) -> None:
        """Refuse an address that leads nowhere; called when Django is there."""
        _ = self.alias

    def transaction(
        self, func: Any = None, *, name: str | None = None, isolation_level: IsolationLevel = "SERIALIZABLE"
    ) -> Any:
        """Make a function a transaction of this database: a step of the calling workflow, elsewhere a plain call."""
        _check_level(isolation_level)

        def decorate(fn: Any) -> Any:
            only_a_plain_function(fn)
            return declare("transaction", fn, name, {"isolation_level": isolation_level}, source=self)

        return decorate if func is None else decorate(func)

    def run_tx_step(
        self, ds_options: DatasourceOptions | None, func: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Any:
        """Run any plain function as a transaction of this database."""
        only_a_plain_function(func)
        options: dict[str, Any] = dict(ds_options or {})
        if unknown := options.keys() - DatasourceOptions.__annotations__.keys():
            raise DBOSException(f"run_tx_step got the unknown options {', '.join(sorted(unknown))}")
        level = options.get("isolation_level") or "SERIALIZABLE"
        _check_level(level)
        known_as = str(options.get("name") or getattr(func, "__qualname__", type(func).__qualname__))
        with translated():
            return apart(lambda: self._run(known_as, level, func, args, kwargs))

    def _run(self, name: str, level: str, fn: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        engine()
        alias, place = self.alias, scope.get()
        fn = sql.with_session(fn, lambda: alias, self.sessionmaker)
        if place is not None and place.place == "workflow":
            return drive(steps.transact(place, StepOptions(name=name), fn, args, kwargs, alias, level), place.perform)
        with transaction.atomic(using=alias):
            return fn(*args, **kwargs)

    def sql_session(self) -> Any:
        """SQLAlchemy's session of the calling transaction of this database."""
        return sql.current("sql_session()", "the transaction() of its datasource", self.alias)


def _check_level(level: Any) -> None:
    if level not in LEVELS:
        raise DBOSException(f"isolation_level={level!r}: give one of {', '.join(LEVELS)}")
