"""Columns that look the same to the ORM and to the hot statements, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.db import models
from django.db.models.expressions import Func
from django.utils import timezone

from ..chance import chance


class Key(models.TextField):
    """Text compared byte by byte: PostgreSQL's "C" collation, which is what SQLite does anyway."""

    def db_parameters(self, connection: Any) -> dict[str, Any]:
        parameters = super().db_parameters(connection)
        if connection.vendor == "postgresql":
            parameters["collation"] = "C"
        return parameters


class Moment(models.DateTimeField):
    """A point in time: timestamptz on PostgreSQL, seconds since the epoch (REAL) on SQLite.

    Django would store text on SQLite; the hot statements compare numbers there, and REAL sorts before TEXT, always.
    """

    def get_internal_type(self) -> str:
        return "Moment"

    def db_type(self, connection: Any) -> str:
        return "timestamp with time zone" if connection.vendor == "postgresql" else "real"

    def cast_db_type(self, connection: Any) -> str:
        return self.db_type(connection)

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> datetime | None:
        if isinstance(value, (int, float)):
            return datetime.fromtimestamp(value, UTC)
        return value

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        if not prepared:
            value = self.get_prep_value(value)
        if isinstance(value, datetime):
            if timezone.is_naive(value):
                value = timezone.make_aware(value)
            return value if connection.vendor == "postgresql" else value.timestamp()
        return value


class Now(Func):
    """The database's clock; on SQLite the machine's, which is the same one, through the seam for chance."""

    template = "statement_timestamp()"
    output_field = Moment()

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return "%s", [chance.now()]
