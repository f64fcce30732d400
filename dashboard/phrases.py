"""Spans and moments inside sentences and narrow columns; `wording` has the general ones."""

from __future__ import annotations

from datetime import UTC, datetime

from django.utils import timezone

from .wording import span

UNITS = ((86400, "day", "days"), (3600, "hour", "hours"), (60, "minute", "minutes"))
TIMES = ("never", "once", "twice", "three times", "four times", "five times", "six times", "seven times", "eight times")


def took(seconds: float | None) -> str:
    """A duration that fits ten characters: "38 ms", "8.41 s", "41 m 06 s", "1 d 0 h"."""
    said = span(seconds)
    return " ".join(said.split()[:4])


def tenths(seconds: float) -> str:
    """A duration as in `took`, but to a tenth of a second at most: "1.8 s"."""
    return f"{seconds:.1f} s" if 0.9995 <= seconds < 9.95 else took(seconds)


def fold(seconds: float) -> str:
    """A duration in one rounded unit, for the ruler: "41 m", "16 s", "1 day"."""
    for unit, one, many in ((86400, "day", "days"), (3600, "h", "h"), (60, "m", "m")):
        if seconds >= unit * 0.995:
            count = round(seconds / unit)
            return f"{count:,} {one if count == 1 else many}"
    return f"{seconds:.0f} s" if seconds >= 0.995 else f"{seconds * 1000:.0f} ms"


def long(seconds: float) -> str:
    """A duration in words: "37 minutes", "1 day", "2.1 seconds", "38 ms"."""
    for unit, one, many in UNITS:
        if seconds >= unit * 0.995:
            count = round(seconds / unit)
            return f"{count:,} {one if count == 1 else many}"
    if seconds >= 9.5:
        return f"{seconds:.0f} seconds"
    return f"{seconds:.1f} seconds" if seconds >= 0.0995 else f"{max(seconds, 0) * 1000:.0f} ms"


def ago(then: datetime, now: datetime) -> str:
    """How long ago, in words, or "just now"."""
    seconds = (now - then).total_seconds()
    return "just now" if seconds < 1 else f"{long(seconds)} ago"


def ahead(then: datetime, now: datetime) -> str:
    """How soon, in words, or "any moment" when it is due."""
    seconds = (then - now).total_seconds()
    return "any moment" if seconds < 0.5 else f"in {long(seconds)}"


def dated(then: datetime) -> str:
    """A moment with its date, in the current time zone: "Thu 19 Nov 13:13:04"."""
    here = timezone.localtime(then)
    return f"{here:%a} {here.day} {here:%b %H:%M:%S}"


def fine(then: datetime) -> str:
    """A moment to a tenth of a second: "Thu 13:13:06.0"."""
    here = timezone.localtime(then)
    return f"{here:%a %H:%M:%S}.{here.microsecond // 100_000}"


def times(count: int) -> str:
    """How often, in words as far as they read well: "three times", "12 times"."""
    return TIMES[count] if count < len(TIMES) else f"{count:,} times"


def from_stamp(seconds: float) -> datetime:
    """A moment from seconds since the epoch."""
    return datetime.fromtimestamp(seconds, UTC)
