"""Arguments that do not fit are refused before anything is stored, as Python itself would refuse them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import pytest

import durable
from durable.definition import Definition, Start
from durable.errors import InvalidOption, SerializationError
from durable.models import Step, Workflow
from durable.options import NO_OPTIONS
from tests.app import workflows as app
from tests.support import run_async


def nothing(): ...
def one(a): ...
def two(a, b): ...
def by_place(a, b, /): ...
def partly_by_place(a, /, b): ...
def place_with_default(a, b=1, /, c=2): ...
def defaults(a, b=1, c=2): ...
def all_default(a=0, b=1): ...
def rest(a, *rest): ...
def rest_after_default(a, b=1, *rest): ...
def needs_keyword(a, *, k): ...
def may_keyword(a, *, k=1): ...
def needs_one_keyword(*, k, x=1): ...
def rest_and_keyword(a, *rest, k): ...
def anything(*args, **kwargs): ...
def more(a, **kwargs): ...
def mixed(p, q=1, /, a=2, *rest, k, x=3, **more): ...


class Shop:
    def method(self, a, b=1, *, k=2): ...


SHAPES = [
    nothing, one, two, by_place, partly_by_place, place_with_default, defaults, all_default, rest, rest_after_default,
    needs_keyword, may_keyword, needs_one_keyword, rest_and_keyword, anything, more, mixed, Shop.method, print, len,
]  # fmt: skip
NAMES = ("a", "b", "k", "x", "sep")


def refuses(act: Callable[[], Any]) -> bool:
    try:
        act()
    except TypeError:
        return True
    return False


@pytest.mark.parametrize("fn", SHAPES, ids=lambda fn: fn.__name__)
def test_a_call_fits_when_python_says_that_it_does(fn, capsys):
    definition = Definition(fn)
    for number in range(6):
        args = ("",) * number
        for chosen in (names for size in range(len(NAMES)) for names in combinations(NAMES, size)):
            kwargs = dict.fromkeys(chosen, "")
            fits = not refuses(lambda args=args, kwargs=kwargs: definition.check_call(args, kwargs))
            runs = not refuses(lambda args=args, kwargs=kwargs: fn(*args, **kwargs))
            assert fits is runs, (args, kwargs)


def test_a_builtin_that_does_not_say_what_fits_takes_anything():
    definition = Definition(dict)
    assert definition.signature is None
    definition.check_call((1, 2, 3), {"k": 1})


# --- nothing is stored

line = durable.Queue("calls")


@durable.workflow(name="calls.takes")
def takes(a, b=1, *, k=2):
    return [a, b, k]


@durable.workflow(name="calls.atakes")
async def atakes(a, b=1, *, k=2):
    return [a, b, k]


@durable.workflow(name="calls.keyword")
def keyword(*, k):
    return k


@durable.step(name="calls.step")
def step(a, /):
    return a


@durable.workflow_class(name="calls.Clerk")
class Clerk(durable.ConfiguredInstance):
    @durable.workflow(name="calls.method")
    def method(self, a, *, k=1):
        return [self.config_name, a, k]

    @classmethod
    @durable.workflow(name="calls.of_class")
    def of_class(cls, a):
        return [cls.__name__, a]


clerk = Clerk("ann")

TOO_FEW = [(takes, (), {}), (keyword, (), {}), (step, (), {}), (clerk.method, (), {}), (Clerk.of_class, (), {})]
TOO_MANY = [
    (takes, (1, 2, 3), {}), (takes, (1,), {"z": 1}), (takes, (1,), {"a": 1}), (keyword, (1,), {"k": 1}),
    (step, (1, 2), {}), (step, (), {"a": 1}), (clerk.method, (1, 2), {}), (clerk.method, (1,), {"self": clerk}),
    (Clerk.of_class, (1, 2), {}),
]  # fmt: skip
WAYS = {
    "start": lambda fn, args, kwargs: durable.start_workflow(fn, *args, **kwargs),
    "enqueue": lambda fn, args, kwargs: line.enqueue(fn, *args, **kwargs),
    "astart": lambda fn, args, kwargs: run_async(_astart(fn, args, kwargs)),
    "call": lambda fn, args, kwargs: fn(*args, **kwargs),
}


async def _astart(fn: Any, args: Any, kwargs: Any) -> Any:
    return await durable.astart_workflow(fn, *args, **kwargs)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("calls", [TOO_FEW, TOO_MANY], ids=["too few", "too many"])
def test_a_call_that_does_not_fit_raises_and_stores_nothing(database, way, calls):
    for fn, args, kwargs in calls:
        with pytest.raises(TypeError):
            WAYS[way](fn, args, kwargs)
    assert not Workflow.objects.exists()


def test_a_coroutine_workflow_refuses_at_the_call_and_not_at_the_await(database):
    with pytest.raises(TypeError, match="unexpected keyword argument 'z'"):
        atakes(1, z=1)
    assert not Workflow.objects.exists()


def test_calls_that_fit_run(executor):
    for fn, args, kwargs, result in (
        (takes, (7,), {}, [7, 1, 2]), (takes, (), {"k": 3, "a": 7}, [7, 1, 3]), (atakes, (7, 8), {}, [7, 8, 2]),
        (keyword, (), {"k": 7}, 7), (step, (7,), {}, 7), (clerk.method, (7,), {"k": 3}, ["ann", 7, 3]),
        (Clerk.of_class, (7,), {}, ["Clerk", 7]),
    ):  # fmt: skip
        assert line.enqueue(fn, *args, **kwargs).get_result(timeout=10) == result


# --- many


@pytest.mark.parametrize("bad", [(), (1, 2, 3), object()], ids=["too few", "too many", "cannot be stored"])
@pytest.mark.parametrize("place", [0, 1, 2], ids=["first", "in the middle", "last"])
def test_one_bad_call_among_many_stores_none(database, bad, place):
    calls: list[Any] = [(1,), (2,)]
    calls.insert(place, bad)
    with pytest.raises((TypeError, SerializationError)):
        line.enqueue_many(takes, calls)
    with pytest.raises(TypeError):
        line.enqueue_many(keyword, [(), ()])
    assert not Workflow.objects.exists()


def test_many_of_nothing_store_nothing_and_take_no_id(database, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert line.enqueue_many(takes, []) == []
    with durable.SetWorkflowID("kept"):
        assert Start(takes, NO_OPTIONS).new_many([]) == []
        with pytest.raises(InvalidOption, match="not many"):
            line.enqueue_many(takes, [])
        assert line.enqueue(takes, 1).workflow_id == "kept"
    assert Workflow.objects.count() == 1


def test_many_that_are_refused_take_no_id(database):
    with durable.SetWorkflowID("kept"):
        with pytest.raises(TypeError):
            Start(takes, NO_OPTIONS).new_many([((1,), {}), ((), {})])
        with pytest.raises(SerializationError):
            Start(takes, NO_OPTIONS).new_many([((1,), {}), ((object(),), {})])
        assert takes.start(1).workflow_id == "kept"


@durable.workflow(name="calls.enqueues_nothing")
def enqueues_nothing():
    assert line.enqueue_many(takes, []) == []
    return app.add(1, 2)


@durable.workflow(name="calls.aenqueues_nothing")
async def aenqueues_nothing():
    assert await line.aenqueue_many(takes, []) == []
    return await app.aadd(1, 2)


@pytest.mark.parametrize("parent", [enqueues_nothing, aenqueues_nothing], ids=["thread", "coroutine"])
def test_in_a_workflow_many_of_nothing_take_no_slot(executor, parent):
    assert parent.start().get_result(timeout=10) == 3
    assert list(Step.objects.values_list("seq", "kind")) == [(1, "step")]
