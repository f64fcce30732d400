"""Spans, moments, sizes and ids as people read them. `static/durable/console.js` says ticking spans the same way."""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta

from django.utils import timezone

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def seconds_of(length: timedelta | float) -> float:
    return length.total_seconds() if isinstance(length, timedelta) else float(length)


def span(length: timedelta | float | None) -> str:
    """A length of time: "38 ms", "8.41 s", "1 m 48 s", "3 h 04 m", "1 d 0 h 41 m". A number is seconds; None is ""."""
    if length is None or not math.isfinite(seconds := seconds_of(length)):
        return ""
    seconds = max(seconds, 0.0)
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.995:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days:,} d {hours} h {minutes} m"
    return f"{hours} h {minutes:02} m" if hours else f"{minutes} m {rest:02} s"


def rough(length: timedelta | float | None) -> str:
    """A length of time without fractions, for sentences: "42 s", "5 m", "3 h 04 m", "2 d 6 h"."""
    if length is None:
        return ""
    seconds = max(math.floor(seconds_of(length)), 0)
    if seconds < 60:
        return f"{seconds} s"
    minutes = seconds // 60
    if minutes < 60:
        return f"{minutes} m"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} m" if hours < 24 else f"{hours // 24:,} d {hours % 24} h"


def point(moment: datetime, now: datetime | None = None) -> str:
    """A moment here, as short as is clear: "14:32:05", "Sat 14:05:52", "3 Nov 14:05", "2025-11-03"."""
    here, today = timezone.localtime(moment), timezone.localtime(now or timezone.now())
    days = (here.date() - today.date()).days
    if days == 0:
        return f"{here:%H:%M:%S}"
    if -7 < days < 7:
        return f"{here:%a %H:%M:%S}"
    if here.year == today.year:
        return f"{here.day} {here:%b %H:%M}"
    return f"{here:%Y-%m-%d}"


def whole_point(moment: datetime) -> str:
    """A moment in full: "2026-11-20 14:32:05.123 UTC"."""
    here = timezone.localtime(moment)
    return f"{here:%Y-%m-%d %H:%M:%S}.{here.microsecond // 1000:03} {here.tzname()}"


def brief(text: str, room: int = 13) -> str:
    """An id in at most `room` characters: the last eight of a UUID, others cut in the middle."""
    if UUID.fullmatch(text):
        return f"…{text[-8:]}"
    return text if len(text) <= room else f"{text[: room - 8]}…{text[-7:]}"


def size(count: int | None) -> str:
    """Bytes with a unit: "812 B", "4.2 kB", "1.6 MB"."""
    if count is None:
        return ""
    for unit, least in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= least:
            return f"{count / least:.1f} {unit}"
    return f"{count} B"


def plural(count: int, one: str, many: str | None = None) -> str:
    """A count with its noun: "1 workflow", "2,100 workflows"."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
