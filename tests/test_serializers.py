"""Typed JSON: what goes in comes out, and what cannot be stored says so."""

from __future__ import annotations

import math
import subprocess
import sys
from collections import OrderedDict, namedtuple
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from durable import serializers
from durable.errors import InvalidOption, InvalidSettings, SerializationError

from .support.round_trips import round_trip, same

JSON = serializers.get("json")

Named = namedtuple("Named", "x y")


class Colour(Enum):
    RED = "red"
    PAIR = (1, 2)


class Size(IntEnum):
    LARGE = 3


class Word(StrEnum):
    HI = "hi"


@dataclass(frozen=True)
class Order:
    id: int
    due: date
    colour: Colour = Colour.RED
    total: Decimal = field(init=False, default=Decimal(0))


class Text(str):
    pass


def test_the_order_of_a_set_does_not_depend_on_the_process():
    program = "from durable.serializers import get; print(get('json').serialize({'a', 'b', 'c', 'd', b'e'}))"
    texts = {
        subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(texts) == 1


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"args": ["o-1", 2.5, None, True], "kwargs": {}}, '{"args":["o-1",2.5,null,true],"kwargs":{}}'),
        ("Zürich", '"Zürich"'),
        ("a\x00b", '"a\\u0000b"'),
        (datetime(2026, 11, 20, 10, tzinfo=UTC), '{"$":"datetime","v":"2026-11-20T10:00:00+00:00"}'),
        (
            datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"), fold=1),
            '{"$":"datetime","v":"2026-10-25T02:30:00+01:00","zone":"Europe/Berlin","fold":1}',
        ),
        (timedelta(days=-1, microseconds=5), '{"$":"timedelta","v":"-P0DT86399.999995S"}'),
        (b"\xff", '{"$":"bytes","v":"/w=="}'),
        ((1, (2,)), '{"$":"tuple","v":[1,{"$":"tuple","v":[2]}]}'),
        ({"b", "a"}, '{"$":"set","v":["a","b"]}'),
        ({1: "x"}, '{"$":"dict","v":[[1,"x"]]}'),
        ({"$": "bytes", "v": "/w=="}, '{"$":"dict","v":[["$","bytes"],["v","/w=="]]}'),
    ],
)
def test_the_format_is_fixed_because_rows_outlive_releases(value, text):
    assert JSON.serialize(value) == text
    assert same(JSON.deserialize(text), value)


@pytest.mark.parametrize(
    "value", ["\ud800", "\ud800\udc00", "x\udcff", "\udcff\x00é", {"\udcff": ["\ud83d"]}, "\x00\x00"]
)
def test_text_that_no_database_takes_comes_back(value):
    assert round_trip(value) == value


@pytest.mark.parametrize("value", [10**5000, -(10**5000), {10**700: 1}, 2**2000, 2**64], ids=lambda value: "")
def test_integers_of_any_size_are_exact(value):
    assert round_trip([value]) == [value]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_floats_that_json_lacks_are_refused_with_a_hint(value):
    with pytest.raises(SerializationError, match=r"float cannot be stored as JSON at \$\.total: .*Decimal"):
        JSON.serialize({"total": value})


def refusal(value) -> SerializationError:
    with pytest.raises(SerializationError) as caught:
        JSON.serialize(value)
    return caught.value


@pytest.mark.parametrize(
    ("value", "type_name", "hint"),
    [
        (Text("x"), "Text", "value[:]"),
        (Word.HI, "Word", ".value"),
        (Size.LARGE, "Size", ".value"),
        (OrderedDict(a=1), "OrderedDict", "dict()"),
        (Named(1, 2), "Named", "tuple()"),
        (Order(1, date(2026, 1, 1)), "Order", 'register("order", Order)'),
        (lambda: 1, "function", "name"),
        (int, "type", "name"),
        (object(), "object", "plain values"),
        (bytearray(b"x"), "bytearray", "bytes()"),
        (iter([1]), "list_iterator", "list()"),
        (range(3), "range", "list()"),
        (ValueError("x"), "ValueError", "str(error)"),
        (1j, "complex", "plain values"),
    ],
)
def test_a_type_that_is_not_registered_is_refused_and_told_what_to_do(value, type_name, hint):
    error = refusal({"args": [{"customer": value}]})
    assert (error.type, error.path) == (type_name, "$.args[0].customer")
    assert hint in error.hint


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ([1, (2, [object()])], "$[1][1][0]"),
        ({"a b": object()}, "$['a b']"),
        ({1: object()}, "$[1]"),
        ({object(): 1}, "$.keys()"),
        ({object()}, "$.item"),
    ],
)
def test_a_refusal_names_the_place(value, path):
    assert refusal(value).path == path


def test_a_time_zone_that_would_change_is_refused():
    class Own(timezone.__base__):
        def utcoffset(self, moment):
            return timedelta(hours=1)

    assert "zoneinfo" in refusal(datetime(2026, 1, 1, tzinfo=Own())).hint


def test_what_contains_itself_is_refused():
    endless: list = [1]
    endless.append({"again": endless})
    error = refusal(endless)
    assert "contains itself" in error.hint
    assert error.path == "$[1].again"


def test_what_occurs_twice_is_stored_twice():
    shared = (1, 2)
    assert round_trip([shared, [shared]]) == [shared, [shared]]


def nested(depth, wrap):
    value = 1
    for _ in range(depth):
        value = wrap(value)
    return value


@pytest.mark.parametrize("wrap", [lambda v: [v], lambda v: {"a": v}, lambda v: (v,), lambda v: {1: v}])
def test_containers_nest_a_hundred_deep_and_no_deeper(wrap):
    assert round_trip(nested(100, wrap)) == nested(100, wrap)
    assert "100 deep" in refusal(nested(101, wrap)).hint


@pytest.mark.parametrize(
    "text",
    [
        '{"$":"os.system","v":"true"}',
        '{"$":"builtins.eval","v":"1"}',
        '{"$":"py/object","v":{}}',
        '{"$":["tuple"],"v":[]}',
        '{"$":{"$":"tuple","v":[]},"v":[]}',
        '{"$":null}',
        '{"\\u0024":"subprocess.Popen","v":["true"]}',
        '{"$":"tuple"}',
        '{"$":"tuple","v":"abc"}',
        '{"$":"set","v":[[]]}',
        '{"$":"dict","v":[[[],1]]}',
        '{"$":"dict","v":[1]}',
        '{"$":"bytes","v":"***"}',
        '{"$":"str","v":"***"}',
        '{"$":"int","v":"zz"}',
        '{"$":"uuid","v":7}',
        '{"$":"decimal","v":"one"}',
        '{"$":"datetime","v":"yesterday"}',
        '{"$":"datetime","v":"2026-01-01T00:00:00","zone":"../../etc/passwd"}',
        '{"$":"datetime","v":"2026-01-01T00:00:00","zone":"Nowhere/Else"}',
        '{"$":"timedelta","v":"P1Y"}',
        '{"$":"timedelta","v":"P999999999999DT0.000000S"}',
        "NaN",
        "[Infinity]",
        "",
        "nope",
        '{"a":1',
        '"\x00"',
        "[" * 100_000,
        '{"a":' * 100_000,
        "1" * 10_000,
    ],
    ids=lambda text: text[:40],
)
def test_hostile_or_damaged_text_ends_in_one_kind_of_error(text):
    with pytest.raises(SerializationError):
        JSON.deserialize(text)


def test_an_unknown_tag_is_named():
    with pytest.raises(SerializationError, match=r"'shop\.Order'.*register"):
        JSON.deserialize('{"$":"shop.Order","v":{}}')


def test_enums_and_dataclasses_are_stored_once_registered(registered):
    registered("colour", Colour)
    registered("size", Size)
    registered("order", Order)
    order = Order(1, date(2026, 1, 2), Colour.PAIR)
    object.__setattr__(order, "total", Decimal("9.90"))
    value = {"o": [order, Size.LARGE], Colour.RED: Colour.PAIR}
    assert same(round_trip(value), value)
    assert JSON.serialize(Size.LARGE) == '{"$":"size","v":3}'


def test_a_class_of_ones_own_is_stored_by_its_two_functions(registered):
    registered("text", Text, encode=lambda text: {"upper": text.upper()[:]}, decode=lambda v: Text(v["upper"]))
    assert same(round_trip([Text("hi")]), [Text("HI")])


def test_a_subclass_of_a_registered_class_is_not_registered(registered):
    class Rich(Order):
        pass

    registered("order", Order)
    assert refusal(Rich(1, date(2026, 1, 1))).type.endswith("Rich")


def test_a_field_that_is_new_takes_its_default_and_one_that_has_gone_says_so(registered):
    registered("colour", Colour)
    registered("order", Order)
    assert JSON.deserialize('{"$":"order","v":{"id":1,"due":null}}').colour is Colour.RED
    with pytest.raises(SerializationError, match=r"order.*legacy"):
        JSON.deserialize('{"$":"order","v":{"id":1,"due":null,"legacy":1}}')


def test_a_failing_encoder_is_named_with_its_place(registered):
    registered("colour", Colour, encode=lambda member: 1 / 0, decode=Colour)
    assert "ZeroDivisionError" in refusal([Colour.RED]).hint
    assert refusal([Colour.RED]).path == "$[0]"


def test_a_tag_is_taken_once(registered):
    registered("colour", Colour)
    registered("colour", Colour)
    for tag, cls in (("colour", Size), ("tint", Colour), ("tuple", Size), ("", Size), ("word", str), ("word", object)):
        with pytest.raises(InvalidOption):
            registered(tag, cls)


def test_a_pydantic_model_is_stored_as_its_own_json(registered):
    pydantic = pytest.importorskip("pydantic")

    class Line(pydantic.BaseModel):
        sku: str = pydantic.Field(alias="SKU")
        at: datetime
        price: Decimal

    registered("line", Line)
    line = Line(SKU="a", at=datetime(2026, 1, 1, tzinfo=UTC), price=Decimal("1.10"))
    assert same(round_trip((line,)), (line,))


def test_pickle_is_asked_for_by_name_signed_and_warns_once(settings, monkeypatch):
    monkeypatch.setattr(serializers, "_known", {"json": JSON})
    with pytest.warns(RuntimeWarning, match="SECRET_KEY"):
        pickle = serializers.get("pickle")
    assert serializers.get("pickle") is pickle
    text = pickle.serialize({Colour.RED: Named(1, 2)})
    assert pickle.deserialize(text) == {Colour.RED: Named(1, 2)}
    for forged in ("x" + text, text[:-1], text.split(":")[0], ""):
        with pytest.raises(SerializationError, match="not signed"):
            pickle.deserialize(forged)
    with pytest.raises(SerializationError):
        pickle.serialize(lambda: 1)
    settings.SECRET_KEY = "another key than the one that signed"
    with pytest.raises(SerializationError, match="SECRET_KEY_FALLBACKS"):
        pickle.deserialize(text)


def test_importing_the_serializers_imports_neither_pickle_nor_django():
    program = "import sys, durable.serializers; print({'django', 'durable.serializers.pickle'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


class Reversed(serializers.Serializer):
    name = "reversed"

    def serialize(self, value):
        return JSON.serialize(value)[::-1]

    def deserialize(self, text):
        return JSON.deserialize(text[::-1])


class Impostor(Reversed):
    name = "json"


def test_a_serializer_of_ones_own_is_found_by_its_path_in_the_settings_and_then_by_name(settings, monkeypatch):
    monkeypatch.setattr(serializers, "_known", {"json": JSON})
    path = f"{__name__}.Reversed"
    with pytest.raises(SerializationError, match="reversed"):
        serializers.get("reversed")
    settings.DURABLE = {"SERIALIZER": path}
    assert serializers.get("reversed") is serializers.get(path)
    assert serializers.get(path).deserialize("]2,1[") == [1, 2]


@pytest.mark.parametrize(
    "path", ["nowhere.Serializer", "decimal.Decimal", f"{__name__}.Missing", f"{__name__}.Impostor"]
)
def test_a_wrong_path_in_the_settings_says_so(settings, path):
    settings.DURABLE = {"SERIALIZER": path}
    with pytest.raises(InvalidSettings, match="SERIALIZER"):
        serializers.get(path)


def test_a_row_cannot_choose_what_is_imported():
    with pytest.raises(SerializationError, match="antigravity"):
        serializers.get("antigravity.geohash")
    assert "antigravity" not in sys.modules


def test_uuid_and_decimal_keep_their_exact_form():
    assert repr(round_trip(Decimal("-0.00"))) == "Decimal('-0.00')"
    assert str(round_trip(Decimal("sNaN12"))) == "sNaN12"
    assert round_trip(UUID(int=7)) == UUID(int=7)
