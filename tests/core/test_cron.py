"""When a cron expression ticks, above all on the two days a year when clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from durable.cron import LONGEST, MOST, between, next_ticks, parse
from durable.errors import InvalidOption

NEW_YORK = "America/New_York"
SPRING, AUTUMN = (2026, 3, 8), (2026, 11, 1)


def at(*when: int) -> datetime:
    return datetime(*when, tzinfo=UTC)


def ticks_of_the_day(cron: str, day: tuple[int, int, int], zone: str = NEW_YORK) -> list[str]:
    """The ticks of a local day, as times in UTC."""
    start = datetime(*day, tzinfo=ZoneInfo(zone))
    return [f"{tick:%H:%M}" for tick in between(cron, zone, start, start + timedelta(days=1))]


def hours(*numbers: int, minute: int = 0) -> list[str]:
    return [f"{number % 24:02}:{minute:02}" for number in numbers]


@pytest.mark.parametrize(
    ("cron", "day", "expected"),
    [
        ("30 1 * * *", AUTUMN, ["05:30"]),  # 1:30 comes twice: the first
        ("30 1 * * *", SPRING, ["06:30"]),
        ("30 2 * * *", SPRING, ["07:00"]),  # 2:30 is leapt over: the first instant after it
        ("0 3 * * *", SPRING, ["07:00"]),
        ("0 2,3 * * *", SPRING, ["07:00"]),  # both are the same instant
        ("15,45 2 * * *", SPRING, ["07:00"]),
        ("30 2 * * *", AUTUMN, ["07:30"]),
        ("0 1-3 * * *", AUTUMN, ["05:00", "07:00", "08:00"]),
        ("*/20 30 2 * * *", SPRING, ["07:00"]),
        ("0 */2 * * *", SPRING, hours(5, 8, *range(10, 28, 2))),  # 2:00 does not exist
        ("0 */2 * * *", AUTUMN, hours(4, *range(7, 29, 2))),
        ("0 * * * *", SPRING, hours(*range(5, 28))),
        ("0 * * * *", AUTUMN, hours(*range(4, 29))),
        ("15 * * * *", AUTUMN, hours(*range(4, 29), minute=15)),
        ("* 1 * * *", AUTUMN, [f"0{hour}:{minute:02}" for hour in (5, 6) for minute in range(60)]),
        ("* 2 * * *", SPRING, []),
    ],
)
def test_a_day_on_which_clocks_change(cron, day, expected):
    assert ticks_of_the_day(cron, day) == expected


@pytest.mark.parametrize("day", [SPRING, AUTUMN])
def test_every_half_hour_is_every_half_hour_of_real_time(day):
    ticks = next_ticks("*/30 * * * *", NEW_YORK, at(*day), 96)
    assert {later - earlier for earlier, later in pairwise(ticks)} == {timedelta(minutes=30)}


def test_an_hour_that_comes_twice_is_seen_in_order_from_wherever_one_starts():
    all_of_them = next_ticks("*/20 * * * *", NEW_YORK, at(2026, 11, 1, 4), 12)
    for number, tick in enumerate(all_of_them):
        assert next_ticks("*/20 * * * *", NEW_YORK, tick, 11 - number or 1)[: 11 - number] == all_of_them[number + 1 :]


def test_zones_that_leap_by_half_an_hour_or_by_a_day():
    assert next_ticks("15 2 * * *", "Australia/Lord_Howe", at(2026, 10, 3, 12), 1) == [at(2026, 10, 3, 15, 30)]
    skipped = next_ticks("0 12 30 12 *", "Pacific/Apia", at(2011, 12, 1), 2)
    assert skipped == [at(2011, 12, 30, 10), at(2012, 12, 29, 22)]
    assert next_ticks("*/30 * 30 12 *", "Pacific/Apia", at(2011, 12, 1), 1)[0].year == 2012


ZONES = ["America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns", "Asia/Kolkata", "UTC"]
CHANGES = [at(2026, 3, 8), at(2026, 11, 1), at(2026, 3, 29), at(2026, 10, 25), at(2026, 4, 4), at(2026, 10, 3)]


def walked(
    minutes: set[int], hours: set[int], is_fixed: bool, zone: str, start: datetime, end: datetime
) -> set[datetime]:
    """The same ticks found by looking at every minute of real and of local time."""
    zone_info, day = ZoneInfo(zone), timedelta(days=1)
    real = [start - day + timedelta(minutes=n) for n in range(int((end - start + 2 * day).total_seconds() // 60))]
    local = [(moment, moment.astimezone(zone_info).replace(tzinfo=None)) for moment in real]
    if not is_fixed:
        found = {moment for moment, clock in local if clock.minute in minutes and clock.hour in hours}
    else:
        found = set()
        clock = min(clock for _, clock in local)
        while clock < local[-1][1]:
            if clock.minute in minutes and clock.hour in hours:
                same = [moment for moment, shown in local if shown == clock]
                found.add(same[0] if same else next(moment for moment, shown in local if shown > clock))
            clock += timedelta(minutes=1)
    return {moment for moment in found if start <= moment < end}


@settings(max_examples=40, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    change=st.sampled_from(CHANGES),
    offset=st.integers(-1800, 1800),
    minutes=st.sets(st.integers(0, 59), min_size=1, max_size=3),
    hours=st.one_of(st.sets(st.integers(0, 23), min_size=1, max_size=4), st.sampled_from([1, 2, 3, 5])),
)
def test_ticks_are_those_that_a_walk_over_every_minute_finds(zone, change, offset, minutes, hours):
    start = change + timedelta(minutes=offset)
    end = start + timedelta(hours=30)
    is_fixed = isinstance(hours, set)
    field = ",".join(map(str, hours)) if is_fixed else f"*/{hours}"
    cron = f"{','.join(map(str, minutes))} {field} * * *"
    found = list(between(cron, zone, start, end))
    wanted = hours if is_fixed else set(range(0, 24, hours))
    assert found == sorted(walked(minutes, wanted, is_fixed, zone, start, end))


@settings(max_examples=50, deadline=None)
@given(
    cron=st.sampled_from(["*/7 * * * *", "30 1 * * *", "0 */5 * * 1", "*/17 */9 * * * *", "0 0 29 2 *", "0 12 1 * *"]),
    zone=st.sampled_from(ZONES),
    since=st.integers(0, 40 * 86_400),
    span=st.integers(-60, 2 * 86_400),
)
def test_the_newest_tick_is_the_last_of_all_between(cron, zone, since, span):
    after = at(2026, 10, 1) + timedelta(seconds=since)
    until = after + timedelta(seconds=span)
    inside = []
    if until > after:
        inside = list(between(cron, zone, after + timedelta(microseconds=1), until + timedelta(microseconds=1)))
    assert parse(cron, zone).newest(after, until) == (inside[-1] if inside else None)


def test_the_newest_of_millions_is_found_at_once():
    ticks = parse("* * * * * *")
    asked = []
    original = ticks.next
    ticks.next = lambda after: asked.append(after) or original(after)
    try:
        assert ticks.newest(at(2016, 1, 1), at(2026, 1, 1)) == at(2026, 1, 1)
    finally:
        del ticks.next
    assert len(asked) < 40


def test_six_fields_begin_with_the_second():
    assert next_ticks("15 30 12 * * *", "UTC", at(2026, 1, 1), 1) == [at(2026, 1, 1, 12, 30, 15)]
    assert next_ticks("*/20 * * * * *", "UTC", at(2026, 1, 1), 2) == [at(2026, 1, 1, 0, 0, s) for s in (20, 40)]


def test_day_and_weekday_together_mean_either():
    assert next_ticks("0 0 13 * 5", "UTC", at(2026, 3, 6), 2) == [at(2026, 3, 13), at(2026, 3, 20)]


def test_a_tick_is_after_the_moment_and_a_time_without_a_zone_is_utc():
    assert next_ticks("0 12 * * *", "UTC", datetime(2026, 1, 1, 12), 1) == [at(2026, 1, 2, 12)]
    assert next_ticks("0 12 * * *", "UTC", datetime(2026, 1, 1, 11, 59, 59, 999_999), 1) == [at(2026, 1, 1, 12)]
    noons = between("0 12 * * *", "UTC", datetime(2026, 1, 1, 12), datetime(2026, 1, 2, 12))
    assert list(noons) == [at(2026, 1, 1, 12)]


def test_ticks_between_are_found_as_they_are_asked_for():
    endless = between("* * * * * *", "UTC", at(2026, 1, 1), at(9000, 1, 1))
    assert list(islice(endless, 2)) == [at(2026, 1, 1), at(2026, 1, 1, 0, 0, 1)]


def test_the_calendar_ends_without_an_error():
    assert len(next_ticks("0 0 1 1 *", NEW_YORK, at(9890, 6, 1), 20)) == 9
    assert next_ticks("0 0 1 1 *", NEW_YORK, datetime.max, 3) == []


@pytest.mark.parametrize(
    ("cron", "hint"),
    [
        ("0 0 31 2 *", "would never tick"),
        ("0 0 30 2 *", "would never tick"),
        ("0 0 31 4,6,9,11 *", "would never tick"),
        ("61 * * * *", "'61' is no minute"),
        ("* 24 * * *", "'24' is no hour"),
        ("0 0 32 * *", "'32' is no day"),
        ("0 0 * 13 *", "'13' is no month"),
        ("0 0 * * 8", "'8' is no weekday"),
        ("60 * * * * *", "'60' is no second"),
        ("*/0 * * * *", "is no minute"),
        ("r * * * *", "is no minute"),
        ("h/5 * * * *", "is no minute"),
        ("* * * *", "this has 4"),
        ("* * * * * * 2026", "this has 7"),
        ("@daily", "this has 1"),
        ("", "this has 0"),
        ("every day at noon", "this has 4"),
        ("0-9999999999 * * * *", "is no minute"),
        ("1," * LONGEST + "1 * * * *", "five fields"),
        (None, "five fields"),
        (["* * * * *"], "five fields"),
    ],
)
def test_what_is_no_expression_is_refused_with_a_hint(cron, hint):
    with pytest.raises(InvalidOption, match=hint) as refused:
        parse(cron)
    assert refused.value.option == "cron"


NO_ZONES = ["Europe/Berlim", "localtime", "right/UTC", "America", "../UTC", "", None, "A" * 5_000]


@pytest.mark.parametrize("zone", NO_ZONES)
def test_what_is_no_time_zone_is_refused(zone):
    with pytest.raises(InvalidOption, match="IANA") as refused:
        parse("* * * * *", zone)
    assert refused.value.option == "timezone" and len(str(refused.value)) < 300


def test_a_misspelt_time_zone_is_met_with_the_right_one():
    with pytest.raises(InvalidOption, match="did you mean Europe/Berlin"):
        parse("* * * * *", "europe/berlin")


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(max_size=30), st.text(alphabet="0123456789*/,-?#lwLW mon", max_size=30)))
def test_any_text_is_an_expression_that_ticks_or_is_refused(text):
    try:
        ticks = parse(text)
    except InvalidOption:
        return
    assert ticks.next(at(2026, 1, 1)) is not None


@pytest.mark.parametrize("n", [0, -1, MOST + 1, 1.5, True, "3", None])
def test_how_many_ticks_has_bounds(n):
    with pytest.raises(InvalidOption, match="1 to 10,000"):
        next_ticks("* * * * *", n=n)


def test_an_end_before_the_start_and_times_that_are_none_are_refused():
    with pytest.raises(InvalidOption, match="before the start"):
        between("* * * * *", "UTC", at(2026, 1, 2), at(2026, 1, 1))
    with pytest.raises(InvalidOption, match="give a datetime"):
        between("* * * * *", "UTC", "2026-01-01", at(2026, 1, 1))
