"""Many enqueued at once: together or none, in order, quickly."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.db import connection, transaction

import durable
from durable.errors import InsideStep, InvalidOption, PayloadTooLarge, SerializationError
from durable.executor import Executor, recorder
from durable.models import Step, Workflow
from tests.app import workflows as app
from tests.app.models import Effect
from tests.support import run_async, wait_until

from .watching import ended

order: list[Any] = []


@pytest.fixture(autouse=True)
def no_order():
    order.clear()


@durable.workflow(name="bulk.appends")
def appends(what: Any, more: Any = None) -> Any:
    order.append(what)
    return what


@durable.workflow(name="bulk.aappends")
async def aappends(what: Any) -> Any:
    order.append(what)
    return what


line = durable.Queue("bulk", concurrency=1)
wide = durable.Queue("bulk-wide")
shelves = durable.Queue("bulk-partitioned", partition_queue=True, concurrency=1)


def test_many_are_enqueued_and_handled_in_the_order_in_which_they_were_given(executor):
    handles = line.enqueue_many(appends, range(60))
    assert durable.gather(handles) == list(range(60))
    assert order == list(range(60))
    assert set(Workflow.objects.values_list("queue", flat=True)) == {"bulk"}


def test_a_call_is_a_tuple_of_arguments_or_one_argument(executor):
    handles = wide.enqueue_many(appends, [(1,), (2, "more"), 3, [4, 5], {"six": 6}, "seven", None])
    assert durable.gather(handles) == [1, 2, 3, [4, 5], {"six": 6}, "seven", None]
    handles = wide.enqueue_many(app.add, [(n, n) for n in range(3)])  # a step, as a workflow of its own
    assert durable.gather(handles) == [0, 2, 4]
    assert wide.enqueue_many(appends, []) == []
    assert durable.gather(wide.enqueue_many(aappends, iter("ab"))) == ["a", "b"]


def test_coroutines_enqueue_many(executor):
    async def main():
        handles = await line.aenqueue_many(appends, range(10))
        return [await handle.aget_result(timeout=10) for handle in handles]

    assert run_async(main()) == list(range(10)) == order


def test_one_that_cannot_be_stored_leaves_none_stored(database, settings):
    with pytest.raises(SerializationError):
        wide.enqueue_many(appends, [1, 2, object(), 4])
    with pytest.raises(TypeError):
        wide.enqueue_many(appends, [(1,), (1, 2, 3)])
    settings.DURABLE = {**settings.DURABLE, "MAX_PAYLOAD_BYTES": 1024}
    with pytest.raises(PayloadTooLarge):
        wide.enqueue_many(appends, ["small", "x" * 2000])
    assert not Workflow.objects.exists()


def test_what_can_name_one_workflow_only_is_refused_for_many(database):
    for options in ({"workflow_id": "w"}, {"dedup_id": "d"}):
        with pytest.raises(InvalidOption, match="not many"):
            wide.enqueue_many(appends.using(**options), [1, 2])
    with durable.SetWorkflowID("w"), pytest.raises(InvalidOption, match="not many"):
        wide.enqueue_many(appends, [1, 2])
    with durable.SetEnqueueOptions(dedup_id="d"), pytest.raises(InvalidOption, match="not many"):
        wide.enqueue_many(appends, [1, 2])
    with pytest.raises(InvalidOption, match="partitioned"):
        shelves.enqueue_many(appends, [1, 2])
    assert not Workflow.objects.exists()


def test_options_hold_for_each_of_them(database):
    start = appends.using(priority=4, timeout=60, attributes={"batch": 7}, delay=600)
    ids = [handle.workflow_id for handle in line.enqueue_many(start, range(3))]
    rows = Workflow.objects.filter(pk__in=ids, status="DELAYED", priority=4, timeout=60)
    assert [row.attributes for row in rows] == [{"batch": 7}] * 3
    with durable.SetEnqueueOptions(partition_key="p"):
        shelves.enqueue_many(appends, range(3))
    assert Workflow.objects.filter(partition_key="p").count() == 3


def test_they_commit_and_roll_back_with_the_callers_data(executor):
    with pytest.raises(ValueError), transaction.atomic():
        wide.enqueue_many(appends, range(5))
        raise ValueError
    assert not Workflow.objects.exists()
    with transaction.atomic():
        Effect.objects.create(key="order")
        handles = wide.enqueue_many(appends, range(5))
    assert durable.gather(handles) == list(range(5))


def test_one_statement_stores_them_all(database, django_assert_num_queries):
    with django_assert_num_queries(1):
        wide.enqueue_many(appends, range(500))
    assert Workflow.objects.count() == 500


def test_ten_thousand_are_stored_in_order_in_a_few_seconds(database):
    began = time.monotonic()
    handles = line.enqueue_many(appends, range(10_000))
    assert time.monotonic() - began < 10
    one_more = line.enqueue(appends, "last")
    rows = Workflow.objects.order_by("position").values_list("id", flat=True)
    assert list(rows) == [handle.workflow_id for handle in (*handles, one_more)]


# --- inside a workflow


@durable.workflow(name="bulk.fans_out")
def fans_out(n: int) -> list[Any]:
    handles = wide.enqueue_many(appends, range(n))
    durable.sleep(0.4)  # parks: none is enqueued again
    return durable.gather(handles)


@durable.workflow(name="bulk.afans_out")
async def afans_out(n: int) -> list[Any]:
    handles = await wide.aenqueue_many(appends, range(n))
    await durable.asleep(0.4)
    return await durable.agather(handles)


@pytest.mark.parametrize("parent", [fans_out, afans_out], ids=["thread", "coroutine"])
def test_a_workflow_enqueues_many_once_each_in_a_slot_of_its_own(executor, parent):
    handle = parent.start(20)
    assert handle.get_result(timeout=20) == list(range(20))
    assert sorted(order) == list(range(20))
    children = Step.objects.filter(workflow_id=handle.workflow_id, kind="child").values_list("seq", "child")
    assert list(children) == [(n, f"{handle.workflow_id}-{n}") for n in range(1, 21)]
    assert set(Workflow.objects.filter(name="bulk.appends").values_list("parent", flat=True)) == {handle.workflow_id}


def test_a_crash_before_their_record_leaves_none_and_after_it_all(database, monkeypatch):
    """The process dies at the commit: none of them is there before, all are there after, and never twice."""
    write = recorder.write
    for when in ("before", "after"):
        died: list[str] = []

        def writes(backend: Any, session: Any, entries: list[Any], when=when, died=died) -> Any:
            if not died and any(e.record and len(e.record.rows) == 20 for e in entries):
                died.append(when)
                written = write(backend, session, entries) if when == "after" else None
                Workflow.objects.filter(name="bulk.fans_out").update(executor="somebody who died", epoch=7)
                connection.close()
                return written or write(backend, session, entries)
            return write(backend, session, entries)

        monkeypatch.setattr(recorder, "write", writes)
        executor = Executor(concurrency=8, label=when).start()
        handle = fans_out.using(workflow_id=f"parent-{when}").start(20)
        wait_until(lambda died=died: died, 10)
        executor.sweeper.wake()
        assert handle.get_result(timeout=20) == list(range(20))
        executor.drain(2)
        assert sorted(order) == list(range(20))
        assert Workflow.objects.filter(parent=f"parent-{when}").count() == 20
        order.clear()


@durable.transaction(name="bulk.books_many")
def books_many(n: int, fail: bool) -> None:
    wide.enqueue_many(appends, range(n))
    if fail:
        raise ValueError("rolled back")


@durable.step(name="bulk.enqueues_in_a_step")
def enqueues_in_a_step() -> None:
    wide.enqueue_many(appends, [1])


@durable.workflow(name="bulk.from_transactions")
def from_transactions() -> str:
    try:
        books_many(3, True)
    except ValueError:
        books_many(2, False)
    try:
        enqueues_in_a_step()
    except InsideStep:
        return "a step cannot"
    return "a step can"


def test_a_transaction_enqueues_many_with_its_commit_and_a_step_none(executor):
    handle = from_transactions.start()
    assert handle.get_result(timeout=10) == "a step cannot"
    wait_until(lambda: sorted(order) == [0, 1], 10)
    for child in Workflow.objects.filter(name="bulk.appends"):
        assert ended(durable.retrieve_workflow(child.pk)).parent == handle.workflow_id
