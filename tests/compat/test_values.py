"""What a program may pass: plain values, the types that its signatures name, and what a serializer of its own takes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple

import pydantic
import pytest

from durable import serializers
from durable.compat.dbos import DBOS, Serializer
from durable.compat.dbos.serializer import path_of
from durable.compat.dbos.typed import tag_of
from durable.errors import SerializationError


class Colour(Enum):
    RED = "red"


class Point(NamedTuple):
    x: int
    y: int


@dataclass
class Item:
    name: str
    colour: Colour


@dataclass(frozen=True)
class Basket:
    items: list[Item]
    at: Point | None = None


class Receipt(pydantic.BaseModel):
    total: Decimal
    at: datetime


@dataclass
class OnlyInTheModule:
    n: int


class Plain:
    pass


@DBOS.workflow()
def compat_buys(basket: Basket, paid: dict[str, Receipt]) -> Receipt | None:
    DBOS.set_event("basket", basket)
    return compat_pays(basket) if paid else None


@DBOS.step()
def compat_pays(basket: Basket) -> Receipt:
    return Receipt(total=Decimal("1.50"), at=datetime(2026, 1, 1, tzinfo=UTC))


@DBOS.workflow()
def compat_anything(value):
    return value


def test_types_of_signatures_are_stored_and_come_back(dbos):
    basket = Basket([Item("pen", Colour.RED)], Point(1, 2))
    receipt = Receipt(total=Decimal(1), at=datetime(2026, 1, 1, tzinfo=UTC))
    handle = DBOS.start_workflow(compat_buys, basket, {"first": receipt})
    assert handle.get_result() == compat_pays(basket)
    assert DBOS.get_event(handle.workflow_id, "basket") == basket
    assert handle.get_status().input == {"args": (basket, {"first": receipt}), "kwargs": {}}


def test_plain_values_come_back_as_they_were(dbos):
    value = [1, 2.5, None, True, "text", b"bytes", (1, 2), {3}, {"key": [Decimal("1.0")]}, datetime(2026, 1, 1)]
    assert DBOS.start_workflow(compat_anything, value).get_result() == value


def test_types_of_a_module_with_workflows_are_stored_though_no_signature_names_them(dbos):
    assert DBOS.start_workflow(compat_anything, [OnlyInTheModule(1)]).get_result() == [OnlyInTheModule(1)]

    @dataclass
    class Local:
        n: int

    @DBOS.workflow()
    def makes_local(n):
        return Local(n)

    assert DBOS.start_workflow(makes_local, 2).get_result() == Local(2)


def test_a_type_of_another_kind_is_refused_with_what_to_do(dbos):
    with pytest.raises(SerializationError, match="register"):
        DBOS.start_workflow(compat_anything, Plain())
    assert DBOS.list_workflows() == []


def test_a_tag_names_the_class_and_not_how_its_file_was_run():
    assert tag_of(Item) == "tests.compat.test_values.Item"


def test_a_serializer_of_the_program_reads_what_it_wrote():
    class Reverse(Serializer):
        def serialize(self, data: Any) -> str:
            return repr(data)[::-1]

        def deserialize(self, serialized_data: str) -> Any:
            return serialized_data[::-1]

    path = path_of(Reverse())
    module, _, name = path.rpartition(".")
    assert module == "durable.compat.dbos.serializer" and name.startswith("dbos_")
    adapter = getattr(__import__(module, fromlist=[name]), name)()
    assert isinstance(adapter, serializers.Serializer)
    assert adapter.deserialize(adapter.serialize([1])) == "[1]"
    assert path_of(Reverse()) == path

    class Broken(Serializer):
        name = "broken"

        def serialize(self, data: Any) -> str:
            return "\x00" if data else 1 / 0

        def deserialize(self, serialized_data: str) -> Any:
            raise ValueError("no")

    broken = getattr(__import__(module, fromlist=["dbos_broken"]), path_of(Broken()).rpartition(".")[2])()
    for act, words in (
        (lambda: broken.serialize(0), "ZeroDivisionError"),
        (lambda: broken.serialize(1), "no text"),
        (lambda: broken.deserialize("x"), "ValueError: no"),
    ):
        with pytest.raises(SerializationError, match=words):
            act()
