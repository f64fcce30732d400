"""Whatever the table of tags covers comes back from the journal as what the first run saw."""

from __future__ import annotations

from datetime import UTC, timedelta, timezone
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .support.round_trips import JSON, round_trip, same

QUICK = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])

zones = st.sampled_from([None, UTC, timezone(timedelta(hours=-3, minutes=-30, seconds=-7))]) | st.sampled_from(
    [ZoneInfo("Europe/Berlin"), ZoneInfo("America/St_Johns"), ZoneInfo("UTC")]
)
any_text = st.text(st.characters(), max_size=20)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    any_text,
    st.text(st.characters(categories=["Cs"]), max_size=4),
    st.binary(max_size=20),
    st.datetimes(timezones=zones, allow_imaginary=True),
    st.dates(),
    st.times(timezones=zones),
    st.timedeltas(),
    st.decimals(allow_nan=False),
    st.uuids(),
)
hashables = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3), max_leaves=5
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(any_text | st.just("$"), inner, max_size=4),
        st.dictionaries(hashables, inner, max_size=3),
        st.sets(hashables, max_size=3),
        st.frozensets(hashables, max_size=3),
    ),
    max_leaves=12,
)


@QUICK
@given(values)
def test_every_supported_value_comes_back_as_it_was(value):
    assert same(round_trip(value), value)


@QUICK
@given(st.sets(hashables, max_size=6))
def test_equal_sets_have_equal_texts(value):
    shuffled = set()
    for item in sorted(value, key=repr, reverse=True):
        shuffled.add(item)
    assert JSON.serialize(value) == JSON.serialize(shuffled)
