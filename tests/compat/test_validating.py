"""Arguments that become what the annotations of a workflow say."""

from __future__ import annotations

import sys
from datetime import date
from decimal import Decimal

import pytest
from pydantic import BaseModel

from durable.compat.dbos import (
    DBOS,
    DBOSConfiguredInstance,
    EnqueueOptions,
    Queue,
    make_pydantic_args_validator,
    pydantic_args_validator,
)
from durable.compat.dbos.error import DBOSException
from tests.support.waiting import run_async


class Item(BaseModel):
    name: str
    price: Decimal


@DBOS.workflow(validate_args=pydantic_args_validator)
def newer_validated(item: Item, *days: date, count: int = 1):
    return [type(item).__name__, item.price, [day.isoformat() for day in days], count]


def test_arguments_become_what_the_annotations_say(dbos):
    Queue("newer-validated")
    options: EnqueueOptions = {"workflow_name": "newer_validated", "queue_name": "newer-validated"}
    handle = DBOS.enqueue_workflow_with_options(options, {"name": "a", "price": "1.50"}, "2026-01-02", count="3")
    assert handle.get_result() == ["Item", Decimal("1.50"), ["2026-01-02"], 3]
    assert newer_validated(Item(name="a", price=2)) == ["Item", 2, [], 1]


def test_arguments_that_do_not_fit_end_the_workflow_in_error(dbos):
    handle = DBOS.start_workflow(newer_validated, {"name": "a"})
    with pytest.raises(Exception, match="price"):
        handle.get_result()
    assert handle.get_status().status == "ERROR"


def test_methods_and_coroutines_are_validated_too(dbos):
    @DBOS.dbos_class("newer-validating")
    class Validating(DBOSConfiguredInstance):
        @DBOS.workflow(validate_args=pydantic_args_validator)
        def method(self, n: int):
            return [self.config_name, n]

        @staticmethod
        @DBOS.workflow(validate_args=lambda args, kwargs: ((int(args[0]),), kwargs))
        def alone(n):
            return n

    @DBOS.workflow(validate_args=pydantic_args_validator)
    async def coroutine(n: int, **others: int):
        return [n, others]

    assert Validating("one").method("3") == ["one", 3] and Validating.alone("4") == 4
    assert run_async(coroutine("5", a="6")) == [5, {"a": 6}]


def test_a_validator_is_made_of_a_function_and_needs_pydantic(monkeypatch):
    validate = make_pydantic_args_validator(newer_validated)
    assert validate(({"name": "a", "price": 1}, "2026-01-02"), {}) == ((Item(name="a", price=1), date(2026, 1, 2)), {})
    with pytest.raises(TypeError, match="item"):
        validate((), {})
    with pytest.raises(DBOSException, match="not called"):
        pydantic_args_validator((), {})
    monkeypatch.setitem(sys.modules, "pydantic", None)
    with pytest.raises(DBOSException, match="pip install pydantic"):
        make_pydantic_args_validator(newer_validated)
