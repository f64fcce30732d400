"""Cron expressions: when they tick, in which time zone, and right on both days when clocks change.

croniter finds the local times; what they are in UTC is decided here, in the way of Debian's cron. An expression is
*fixed* when neither its minute nor its hour begins with `*`: it names times of the day. A time that the clock leaps
over in spring ticks at the first instant after the leap, and one that comes twice in autumn ticks the first time. Any
other expression follows real time: what is leapt over does not exist, and what comes twice ticks twice.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from heapq import heappop, heappush
from itertools import islice
from zoneinfo import ZoneInfo, available_timezones

from croniter import CroniterBadDateError, croniter

from .errors import InvalidOption

FIELDS = ("second", "minute", "hour", "day", "month", "weekday")
LONGEST = 200
"""Characters of an expression: a list of all minutes fits."""
MOST = 10_000
"""How many ticks may be asked for at once."""
SECOND = timedelta(seconds=1)
LONGEST_LEAP = timedelta(hours=26)
"""No zone has moved its clocks by more than a day."""
LAST_YEAR = 9_900

SHAPE = "give five fields (minute, hour, day, month, weekday), or six with the second first"
ZONE = "give a name of the IANA time zone database, such as Europe/Berlin"


def next_ticks(cron: str, timezone: str = "UTC", after: datetime | None = None, n: int = 5) -> list[datetime]:
    """The next `n` (1 to 10,000) ticks of an expression after a moment, default now; aware, in UTC.

    Fewer when it never ticks again. Raises `InvalidOption`.
    """
    if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= MOST:
        raise InvalidOption(option="n", value=n, hint=f"give an integer from 1 to {MOST:,}")
    start = datetime.now(UTC) if after is None else in_utc("after", after)
    return list(islice(parse(cron, timezone).ticks(start), n))


def between(cron: str, timezone: str, start: datetime, end: datetime) -> Iterator[datetime]:
    """The ticks from `start` (inclusive) to `end` (exclusive), one by one as they are asked for. Naive times are UTC.

    Raises `InvalidOption` at once.
    """
    ticks, start, end = parse(cron, timezone), in_utc("start", start), in_utc("end", end)
    if start > end:
        raise InvalidOption(option="end", value=end.isoformat(), hint=f"it is before the start, {start.isoformat()}")
    return ticks.between(start, end)


def shortened(value: object) -> object:
    """A value that a message can show."""
    return value if value is None or len(str(value)) <= 60 else f"{str(value)[:60]}..."


def in_utc(option: str, moment: datetime) -> datetime:
    """An aware time in UTC; a naive one is taken as UTC. Raises `InvalidOption` for what is no datetime."""
    if not isinstance(moment, datetime):
        raise InvalidOption(option=option, value=moment, hint="give a datetime")
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise InvalidOption(option=option, value=moment, hint="it is beyond the calendar") from None


def parse(cron: str, timezone: str = "UTC") -> Ticks:
    """An expression of five fields, or of six with seconds first, in an IANA time zone.

    Raises `InvalidOption` that names the field, and for an expression that no day ever matches.
    """
    if not isinstance(cron, str) or len(cron) > LONGEST:
        raise InvalidOption(option="cron", value=shortened(cron), hint=SHAPE)
    if not isinstance(timezone, str) or len(timezone) > LONGEST:
        raise InvalidOption(option="timezone", value=shortened(timezone), hint=ZONE)
    return _parse(cron, timezone)


@lru_cache(maxsize=1024)
def _parse(cron: str, timezone: str) -> Ticks:
    return Ticks(_fields(cron), _zone(timezone))


class Ticks:
    """The ticks of one expression. Make it with `parse`."""

    def __init__(self, fields: list[str], zone: ZoneInfo):
        self.cron = " ".join(fields)
        self.zone = zone
        minute, hour = fields[-5:-3]
        self.is_fixed = not minute.startswith("*") and not hour.startswith("*")

    def ticks(self, after: datetime) -> Iterator[datetime]:
        """Every tick after a moment, in order, in UTC."""
        known: list[datetime] = []  # the hour that comes twice: its second round waits for the end of its first
        last = after
        for local in self._locals(after):
            instants = self._instants(local)
            for instant in instants:
                heappush(known, instant)
            while known and instants and known[0] <= instants[0]:  # what follows is later than that
                if (instant := heappop(known)) > last:
                    last = instant
                    yield instant
        for instant in sorted(known):
            if instant > last:
                last = instant
                yield instant

    def between(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """The ticks from `start` (inclusive) to `end` (exclusive)."""
        for tick in self.ticks(start - timedelta(microseconds=1)):
            if tick >= end:
                return
            yield tick

    def next(self, after: datetime) -> datetime | None:
        """The first tick after a moment; None when there is none."""
        return next(self.ticks(after), None)

    def newest(self, after: datetime, until: datetime) -> datetime | None:
        """The last tick after one moment and not after another, found without walking over all between them."""
        found = self.next(after)
        if found is None or found > until:
            return None
        while until - found >= SECOND:  # no tick after `until` counts, and ticks are whole seconds
            middle = found + (until - found) / 2
            tick = self.next(middle)
            if tick is not None and tick <= until:
                found = tick
            else:
                until = middle
        return found

    def _locals(self, after: datetime) -> Iterator[datetime]:
        """Local times that match, without a zone, in order, from where the first tick after a moment can be."""
        try:
            soon = min(self._offset(after), self._offset(after + LONGEST_LEAP))  # clocks may be set back meanwhile
            start = (after + soon).replace(tzinfo=None, microsecond=0) - SECOND
            found = croniter(self.cron, start, ret_type=datetime, second_at_beginning=True)
            while (local := found.get_next()).year < LAST_YEAR:
                yield local
        except (CroniterBadDateError, OverflowError):  # nothing in 50 years, or the calendar's end
            return

    def _instants(self, local: datetime) -> list[datetime]:
        """When a local time is: once, or never, or twice."""
        first, second = (local.replace(tzinfo=self.zone, fold=fold).astimezone(UTC) for fold in (0, 1))
        if first.astimezone(self.zone).replace(tzinfo=None) != local:
            return [self._leap(second, first)] if self.is_fixed else []
        return [first] if self.is_fixed or first == second else [first, second]

    def _leap(self, before: datetime, after: datetime) -> datetime:
        """The first instant after the one leap that lies between two moments."""
        offset = self._offset(before)
        while after - before > SECOND:
            middle = (before + (after - before) / 2).replace(microsecond=0)
            if self._offset(middle) == offset:
                before = middle
            else:
                after = middle
        return after

    def _offset(self, moment: datetime) -> timedelta:
        return moment.astimezone(self.zone).utcoffset() or timedelta()


def _fields(cron: str) -> list[str]:
    fields = cron.split()
    if len(fields) not in (5, 6):
        raise InvalidOption(option="cron", value=cron, hint=f"{SHAPE}; this has {len(fields)}")
    for place, field in zip(FIELDS[-len(fields) :], fields, strict=True):
        if not _is_valid(place, field):
            raise InvalidOption(option="cron", value=cron, hint=f"{field!r} is no {place}; {SHAPE}")
    try:
        croniter(" ".join(fields), datetime(2000, 1, 1), ret_type=datetime, second_at_beginning=True).get_next()
    except CroniterBadDateError:
        hint = "no day matches it, so it would never tick; look at its day and month"
        raise InvalidOption(option="cron", value=cron, hint=hint) from None
    return fields


def _is_valid(place: str, field: str) -> bool:
    """Whether one field is valid alone. Random and hashed fields are not: every executor must see the same ticks."""
    alone = ["*"] * len(FIELDS)
    alone[FIELDS.index(place)] = field
    return field[0] not in "hHrR" and bool(croniter.is_valid(" ".join(alone), second_at_beginning=True))


def _zone(timezone: str) -> ZoneInfo:
    """A zone that has the same meaning on every machine."""
    if timezone in _zones():
        return ZoneInfo(timezone)
    near = difflib.get_close_matches(timezone, _zones(), 1, 0.5)
    raise InvalidOption(option="timezone", value=timezone, hint=f"did you mean {near[0]}? Or {ZONE}" if near else ZONE)


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones() - {"localtime"})
