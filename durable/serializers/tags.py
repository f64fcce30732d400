"""The closed table of tags: how each type that JSON lacks is written, and read again.

A tagged value is an object `{"$": tag, "v": ...}`. A tag names an entry of this table or of `registry`, never a class
or a function, so that reading text can make nothing but these values.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from ..errors import SerializationError

Tagged = dict[str, Any]

EXACT_BITS = 2000
"""Python refuses to write or read very long decimal integers (640 digits is its lowest limit); those go as hex."""


class Unfit(Exception):
    """A value of a known type that has no text; its message is the hint."""


def is_text(value: str) -> bool:
    """Whether `value` is Unicode text. Lone surrogates, as in undecodable file names, have no UTF-8 form."""
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def write_str(value: str) -> str | Tagged:
    if is_text(value):
        return value
    return {"$": "str", "v": b64encode(value.encode("utf-8", "surrogatepass")).decode()}


def write_int(value: int) -> int | Tagged:
    return value if value.bit_length() <= EXACT_BITS else {"$": "int", "v": hex(value)}


def write_float(value: float) -> float:
    if value - value != 0:
        raise Unfit(f"{value} is not JSON; store None or a Decimal")
    return value


def write_moment(tag: str, value: datetime | time) -> Tagged:
    """ISO 8601 in `v`; beside it the zone's name, because an offset does not tell summer from winter, and the fold."""
    zone = value.tzinfo
    if zone is not None and type(zone) not in (timezone, ZoneInfo):
        raise Unfit(f"its time zone is a {type(zone).__name__}; use zoneinfo.ZoneInfo or datetime.timezone")
    written = {"$": tag, "v": value.isoformat()}
    if type(zone) is ZoneInfo:
        if zone.key is None:
            raise Unfit("its time zone has no name; make it with zoneinfo.ZoneInfo(name)")
        written["zone"] = zone.key
    return {**written, "fold": 1} if value.fold else written


def read_moment(kind: type[datetime] | type[time], tagged: Tagged) -> datetime | time:
    value = kind.fromisoformat(tagged["v"])
    if "zone" in tagged:
        value = value.replace(tzinfo=ZoneInfo(tagged["zone"]))
    return value.replace(fold=1) if tagged.get("fold") == 1 else value


def write_timedelta(value: timedelta) -> Tagged:
    sign, span = ("-", -value) if value.days < 0 else ("", value)
    return {"$": "timedelta", "v": f"{sign}P{span.days}DT{span.seconds}.{span.microseconds:06}S"}


def read_timedelta(tagged: Tagged) -> timedelta:
    found = re.fullmatch(r"(-?)P(\d+)DT(\d+)\.(\d{6})S", tagged["v"], re.ASCII)
    if not found:
        raise ValueError(f"{tagged['v']!r} is no duration")
    span = timedelta(int(found[2]), int(found[3]), int(found[4]))
    return -span if found[1] else span


def text_of(tagged: Tagged) -> str:
    value = tagged["v"]
    if type(value) is not str:
        raise TypeError("v is no text")
    return value


def items_of(tagged: Tagged) -> list[Any]:
    value = tagged["v"]
    if type(value) is not list:
        raise TypeError("v is no list")
    return value


LEAVES: dict[type, Callable[[Any], Any]] = {
    type(None): lambda value: value,
    bool: lambda value: value,
    str: write_str,
    int: write_int,
    float: write_float,
    bytes: lambda value: {"$": "bytes", "v": b64encode(value).decode()},
    datetime: lambda value: write_moment("datetime", value),
    date: lambda value: {"$": "date", "v": value.isoformat()},
    time: lambda value: write_moment("time", value),
    timedelta: write_timedelta,
    Decimal: lambda value: {"$": "decimal", "v": str(value)},
    UUID: lambda value: {"$": "uuid", "v": str(value)},
}

READERS: dict[str, Callable[[Tagged], Any]] = {
    "str": lambda tagged: b64decode(text_of(tagged), validate=True).decode("utf-8", "surrogatepass"),
    "int": lambda tagged: int(text_of(tagged), 16),
    "bytes": lambda tagged: b64decode(text_of(tagged), validate=True),
    "datetime": lambda tagged: read_moment(datetime, tagged),
    "date": lambda tagged: date.fromisoformat(tagged["v"]),
    "time": lambda tagged: read_moment(time, tagged),
    "timedelta": read_timedelta,
    "decimal": lambda tagged: Decimal(text_of(tagged)),
    "uuid": lambda tagged: UUID(text_of(tagged)),
    "tuple": lambda tagged: tuple(items_of(tagged)),
    "set": lambda tagged: set(items_of(tagged)),
    "frozenset": lambda tagged: frozenset(items_of(tagged)),
    "dict": lambda tagged: dict(items_of(tagged)),
}


def read_tagged(found: dict[str, Any]) -> Any:
    """`found` itself, or the value it stands for when it is tagged. Raises `SerializationError` for an unknown tag."""
    if "$" not in found:
        return found
    tag = found["$"]
    read = READERS.get(tag) if type(tag) is str else None
    if read is None:
        raise SerializationError(
            f"No type is registered under the tag {tag!r} in this process. Register it with "
            "durable.serializers.register() in a module that this process imports.",
            tag=tag,
        )
    try:
        return read(found)
    except Exception as error:
        raise SerializationError(
            f"A value with the tag {tag!r} cannot be read: {type(error).__name__}: {error}", tag=tag
        ) from error
