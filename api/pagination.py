"""Pages by keyset: each begins after the last row of the one before. No page costs more for being far, and rows that
arrive meanwhile neither shift nor repeat others."""

from __future__ import annotations

import json
import math
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connections
from django.db.models import BigIntegerField, DateTimeField, F, FloatField, IntegerField, Q, QuerySet, Value
from django.db.models.functions import Cast

from .errors import InvalidParameter

DEFAULT_LIMIT = 100
MAX_LIMIT = 500
MAX_INTEGER = 2**31 - 1
MAX_BIG_INTEGER = 2**63 - 1
PAGE_PARAMETERS = ("cursor", "limit")


@dataclass(frozen=True)
class Page:
    """Some rows, and where the next page begins: an opaque text, or None after the last one."""

    rows: list[Any]
    cursor: str | None


class Keyset:
    """An order by one or two columns that no two rows share, and the pages in it."""

    def __init__(self, *fields: str, newest_first: bool = False):
        self.fields = fields
        self.newest_first = newest_first

    def page(self, request: Any, rows: QuerySet[Any]) -> Page:
        """The page of `rows` that the query parameters `cursor` and `limit` ask for."""
        limit = read_limit(request.query_params.get("limit"))
        cursor = request.query_params.get("cursor")
        rows = self._with_exact_moments(rows).order_by(*[("-" if self.newest_first else "") + f for f in self.fields])
        if cursor is not None:
            rows = rows.filter(self._after(self._read(cursor, rows)))
        found = list(rows[: limit + 1])
        shown = found[:limit]
        return Page(shown, self._cursor(shown[-1]) if len(found) > limit else None)

    def _after(self, position: list[Any]) -> Q:
        beyond = "lt" if self.newest_first else "gt"
        first = self.fields[0]
        if len(self.fields) == 1:
            return Q(**{f"{first}__{beyond}": position[0]})
        # The first condition says nothing new, but lets an index begin at the position.
        return Q(**{f"{first}__{beyond}e": position[0]}) & (
            Q(**{f"{first}__{beyond}": position[0]}) | Q(**{f"{self.fields[1]}__{beyond}": position[1]})
        )

    def _with_exact_moments(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """SQLite keeps moments as floats that are finer than a datetime; a rounded one would lose or repeat rows."""
        exact = {f"exact_{f}": Cast(F(f), FloatField()) for f in self.fields if is_float(rows, f)}
        return rows.annotate(**exact) if exact else rows

    def _cursor(self, row: Any) -> str:
        position = [getattr(row, f"exact_{f}", getattr(row, f)) for f in self.fields]
        text = json.dumps([*self.fields, *position], default=datetime.isoformat, ensure_ascii=False)
        return urlsafe_b64encode(text.encode()).decode().rstrip("=")

    def _read(self, cursor: str, rows: QuerySet[Any]) -> list[Any]:
        try:
            read = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
            if not isinstance(read, list) or read[: len(self.fields)] != list(self.fields):
                raise ValueError
            values = read[len(self.fields) :]
            return [self._value(rows, f, value) for f, value in zip(self.fields, values, strict=True)]
        except (ValueError, TypeError, RecursionError):
            raise InvalidParameter("cursor", "It is not from a page of this list; begin without one.") from None

    def _value(self, rows: QuerySet[Any], field: str, value: Any) -> Any:
        if is_float(rows, field):
            if type(value) is not float or not math.isfinite(value):
                raise ValueError
            return Value(value, output_field=FloatField())
        column = rows.model._meta.get_field(field)
        if isinstance(column, DateTimeField):
            moment = datetime.fromisoformat(value)
            if moment.tzinfo is None:
                raise ValueError
            return moment
        if isinstance(column, IntegerField):
            most = MAX_BIG_INTEGER if isinstance(column, BigIntegerField) else MAX_INTEGER
            if type(value) is not int or abs(value) > most:
                raise ValueError
            return value
        if not isinstance(value, str) or "\0" in value:
            raise ValueError
        value.encode()  # lone surrogates raise
        return value


def is_float(rows: QuerySet[Any], field: str) -> bool:
    """Whether the database of `rows` keeps `field` as a float though it is a moment."""
    vendor = connections[rows.db].vendor
    return vendor == "sqlite" and isinstance(rows.model._meta.get_field(field), DateTimeField)


def read_limit(text: str | None) -> int:
    """How many rows a page may have: 1 to `MAX_LIMIT`, `DEFAULT_LIMIT` when nothing is asked for."""
    return DEFAULT_LIMIT if text is None else read_whole("limit", text, 1, MAX_LIMIT)


def read_whole(parameter: str, text: str, least: int, most: int) -> int:
    """The whole number in a query parameter. Raises `InvalidParameter` when it is none from `least` to `most`."""
    if not (text.isascii() and text.isdecimal() and len(text) < 11 and least <= int(text) <= most):
        raise InvalidParameter(parameter, f"Give a whole number from {least} to {most}.")
    return int(text)
