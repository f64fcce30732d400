"""What `with` blocks say about starts: to whom, how often, and in which order."""

from __future__ import annotations

import asyncio
import threading

import pytest

import durable
from durable.errors import InvalidOption, SerializationError
from durable.executor import Executor
from durable.models import Workflow
from tests.support import run_async, wait_until
from tests.support.threads import in_threads

from .beginning import abegin, aecho, begin, echo, row


@durable.workflow(name="blocks.begets")
def begets():
    return echo.start(1).workflow_id


@durable.workflow(name="blocks.abegets")
async def abegets():
    return (await aecho.astart(1)).workflow_id


SAID = [
    (lambda: durable.SetWorkflowID("chosen"), {"id": "chosen"}),
    (lambda: durable.SetWorkflowTimeout(600), {"timeout": 600}),
    (lambda: durable.SetWorkflowAttributes({"customer": 7}), {"attributes": {"customer": 7}}),
    (
        lambda: durable.SetAuthentication("ann", ["clerk", "boss"]),
        {"authenticated_user": "ann", "authenticated_roles": ["clerk", "boss"]},
    ),
    (lambda: durable.SetEnqueueOptions(version="of-old"), {"version": "of-old"}),
]


# --- whom a block counts for


@pytest.mark.parametrize("way", ["start", "call", "enqueue", "by name"])
@pytest.mark.parametrize("block, expected", SAID, ids=[*"itaev"])
def test_a_block_counts_for_every_way_to_start(database, way, block, expected):
    with block():
        inside = row(begin(echo, 1, way=way))
    outside = row(begin(echo, 1, way=way))
    assert {name: getattr(inside, name) for name in expected} == expected
    assert {name: getattr(outside, name) for name in expected} != expected


@pytest.mark.parametrize("way", ["start", "call", "enqueue"])
def test_blocks_count_for_coroutines_too(database, way):
    async def main():
        with durable.SetWorkflowID("chosen"), durable.SetWorkflowAttributes({"a": 1}), durable.SetWorkflowTimeout(600):
            return await abegin(aecho, 1, way=way)

    found = row(run_async(main()))
    assert (found.id, found.attributes, found.timeout) == ("chosen", {"a": 1}, 600)


def test_options_of_a_queue_count_for_what_is_enqueued(database):
    queue = durable.Queue("blocks")
    with durable.SetEnqueueOptions(priority=5, dedup_id="d", version="v9"):
        found = row(queue.enqueue(echo, 1).workflow_id)
    assert (found.priority, found.dedup_id, found.version) == (5, "d", "v9")


@pytest.mark.parametrize(
    "option",
    [{"priority": 1}, {"dedup_id": "d"}, {"partition_key": "p"}, {"delay": 1}],
    ids=lambda each: next(iter(each)),
)
def test_options_of_a_queue_without_one_are_refused_before_anything_is_stored(database, option):
    with durable.SetEnqueueOptions(**option):
        for begins in (echo, echo.start):
            with pytest.raises(InvalidOption, match="needs a queue"):
                begins(1)
    assert not Workflow.objects.exists()


def test_the_inner_block_wins_and_adds_to_the_outer(database):
    with durable.SetWorkflowAttributes({"a": 1}), durable.SetWorkflowTimeout(600), durable.SetAuthentication("ann"):
        with durable.SetWorkflowAttributes({"b": 2}), durable.SetWorkflowTimeout(None):
            inner = row(echo.start().workflow_id)
        outer = row(echo.start().workflow_id)
    assert (inner.attributes, inner.timeout, inner.authenticated_user) == ({"b": 2}, None, "ann")
    assert (outer.attributes, outer.timeout, outer.authenticated_user) == ({"a": 1}, 600, "ann")


def test_what_a_start_says_itself_wins_over_every_block(database):
    with (
        durable.SetWorkflowID("of-the-block"),
        durable.SetWorkflowTimeout(600),
        durable.SetWorkflowAttributes({"a": 1}),
    ):
        own = echo.using(workflow_id="own", timeout=None, attributes={}).start()
        blocks = echo.start()
    found = row(own.workflow_id)
    assert (found.id, found.timeout, found.attributes) == ("own", None, {})
    assert blocks.workflow_id == "of-the-block"


def test_a_block_ends_with_its_code_also_when_that_fails(database):
    with pytest.raises(RuntimeError), durable.SetWorkflowID("unused"), durable.SetWorkflowTimeout(600):
        raise RuntimeError
    found = row(echo.start().workflow_id)
    assert (found.id == "unused", found.timeout) == (False, None)


@pytest.mark.parametrize("direct", [True, False], ids=["called", "started"])
def test_a_block_counts_for_the_code_that_stands_in_it_and_not_for_what_that_runs(executor, direct):
    with durable.SetWorkflowID("parent"), durable.SetWorkflowAttributes({"a": 1}), durable.SetWorkflowTimeout(600):
        child = begets() if direct else begets.start().get_result(timeout=10)
    assert child == "parent-1"
    assert (row("parent").attributes, row("parent").timeout) == ({"a": 1}, 600)
    assert (row(child).attributes, row(child).timeout) == (None, None)


@durable.workflow(name="blocks.stands")
def stands():
    with durable.SetWorkflowID("child"), durable.SetWorkflowAttributes({"a": 1}), durable.SetWorkflowTimeout(600):
        grandchild = begets()
    durable.recv("go on")
    with durable.SetWorkflowID("after"):
        echo.start()
    return grandchild


def test_a_block_inside_a_workflow_counts_for_its_children_and_in_each_replay(executor):
    handle = stands.start()
    wait_until(lambda: row(handle.workflow_id).waiting_for == "message:go on")
    durable.send(handle.workflow_id, 1, "go on")
    assert handle.get_result(timeout=10) == "child-1"
    child, grandchild = row("child"), row("child-1")
    assert (child.attributes, child.timeout, child.parent) == ({"a": 1}, 600, handle.workflow_id)
    assert (grandchild.attributes, grandchild.timeout) == (None, None)
    assert row("after").parent == handle.workflow_id


def test_blocks_of_tasks_that_run_at_once_do_not_mix(database):
    async def task(n, meet):
        with durable.SetWorkflowID(f"task-{n}"), durable.SetWorkflowAttributes({"n": n}):
            await meet.wait()
            return (await aecho.astart(n)).workflow_id

    async def main():
        meet = asyncio.Barrier(5)
        return await asyncio.gather(*[task(n, meet) for n in range(5)])

    assert run_async(main()) == [f"task-{n}" for n in range(5)]
    assert {each.id: each.attributes["n"] for each in Workflow.objects.all()} == {f"task-{n}": n for n in range(5)}


def test_a_task_made_in_a_block_stands_in_it_and_its_id_is_given_once(database):
    async def main():
        with durable.SetWorkflowID("given"), durable.SetWorkflowTimeout(600):
            return await asyncio.gather(*[abegin(aecho) for _ in range(4)])

    ids = run_async(main())
    assert len(set(ids)) == 4 and ids.count("given") == 1
    assert set(Workflow.objects.values_list("timeout", flat=True)) == {600}


def test_a_thread_stands_in_its_own_blocks_only(database):
    with durable.SetWorkflowTimeout(600):
        [found] = in_threads(1, lambda _: echo.start().workflow_id)
    assert row(found).timeout is None


def test_one_block_may_be_entered_by_many_threads_at_once_and_again(database):
    shared, barrier = durable.SetWorkflowAttributes({"shared": True}), threading.Barrier(4)

    def enter(_) -> list[str]:
        found = []
        for _ in range(3):
            with shared:
                barrier.wait(10)
                with shared:
                    barrier.wait(10)
                found.append(echo.start().workflow_id)
        return found

    ids = [each for found in in_threads(4, enter) for each in found]
    assert [row(each).attributes for each in ids] == [{"shared": True}] * 12
    assert row(echo.start().workflow_id).attributes is None


def test_blocks_of_another_executor_thread_do_not_leak_into_its_next_run(database):
    executor = Executor(concurrency=1).start()

    @durable.workflow(name="blocks.leaves_open")
    def leaves_open():
        durable.SetWorkflowTimeout(600).__enter__()

    leaves_open.start().get_result(timeout=10)
    child = begets.start().get_result(timeout=10)
    executor.drain(1)
    assert row(child).timeout is None


# --- an id


@pytest.mark.parametrize("way", ["start", "call", "enqueue", "by name"])
def test_an_id_serves_the_first_start_and_the_next_gets_a_fresh_one_with_a_warning(database, caplog, way):
    with durable.SetWorkflowID("only once"):
        first = begin(echo, 1, way=way)
        assert caplog.messages == []
        second = begin(echo, 1, way=way)
    assert first == "only once" != second
    assert "'only once' of this block has been given to its first workflow" in caplog.text


def test_the_id_of_the_innermost_block_is_meant(database):
    with durable.SetWorkflowID("outer"):
        with durable.SetWorkflowID("inner"):
            inner = echo.start().workflow_id
        outer = echo.start().workflow_id
    assert (inner, outer) == ("inner", "outer")


def test_a_block_that_is_entered_again_gives_its_id_again(executor):
    block = durable.SetWorkflowID("again")
    for _ in range(2):
        with block:
            assert echo.start(1).workflow_id == "again"
    assert Workflow.objects.count() == 1


def test_a_start_that_cannot_be_stored_takes_no_id(database):
    with durable.SetWorkflowID("kept"):
        with pytest.raises(SerializationError):
            echo.start(object())
        with pytest.raises(TypeError):
            echo.start(1, 2, 3)
        assert echo.start(1).workflow_id == "kept"


def test_in_a_workflow_an_id_serves_the_first_child(executor, caplog):
    @durable.workflow(name="blocks.names_two")
    def names_two():
        with durable.SetWorkflowID("first child"):
            return [echo.start().workflow_id, echo.start().workflow_id]

    handle = names_two.start()
    assert handle.get_result(timeout=10) == ["first child", f"{handle.workflow_id}-2"]
    assert "has been given to its first workflow" in caplog.text


@pytest.mark.parametrize("wrong", ["", "  ", 7, "a\x00b", "\ud800", "x" * 1025])
def test_what_is_no_id_is_refused_where_it_is_written(wrong):
    with pytest.raises(InvalidOption, match="workflow_id = "):
        durable.SetWorkflowID(wrong)


@pytest.mark.parametrize(
    "block",
    [
        lambda: durable.SetWorkflowID("x", policy="perhaps"),
        lambda: durable.SetEnqueueOptions(priority=0),
        lambda: durable.SetEnqueueOptions(priority=2**31),
        lambda: durable.SetEnqueueOptions(priority=True),
        lambda: durable.SetEnqueueOptions(delay=-1),
        lambda: durable.SetEnqueueOptions(dedup_policy="perhaps"),
        lambda: durable.SetEnqueueOptions(dedup_id=""),
        lambda: durable.SetWorkflowAttributes(["no", "object"]),
        lambda: durable.SetWorkflowAttributes({1: "no text"}),
        lambda: durable.SetWorkflowAttributes({"a": object()}),
        lambda: durable.SetWorkflowAttributes({"a": float("nan")}),
        lambda: durable.SetWorkflowAttributes({"a": "\x00"}),
        lambda: durable.SetAuthentication("", ["a"]),
        lambda: durable.SetAuthentication("ann", [""]),
        lambda: durable.SetAuthentication("ann", [1]),
    ],
)
def test_what_no_start_may_say_is_refused_where_it_is_written(block):
    with pytest.raises(InvalidOption):
        block()
