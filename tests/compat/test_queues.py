"""Queues as DBOS programs use them."""

from __future__ import annotations

import threading

import pytest

from durable.compat.dbos import DBOS, Debouncer, Queue, SetEnqueueOptions, SetWorkflowTimeout
from durable.compat.dbos.error import (
    DBOSAwaitedWorkflowCancelledError,
    DBOSException,
    DBOSQueueDeduplicatedError,
)
from tests.support import wait_until
from tests.support.waiting import run_async

order: list[object] = []
gate = threading.Event()


@DBOS.workflow()
def compat_appends(value):
    order.append(value)
    return value


@DBOS.workflow()
def compat_waits(value):
    order.append(value)
    gate.wait(20)
    return value


@pytest.fixture(autouse=True)
def nothing_before():
    order.clear()
    gate.clear()
    yield
    gate.set()


def test_tasks_run_in_order_one_at_a_time(dbos):
    queue = Queue("compat-in-order", concurrency=1)
    handles = [queue.enqueue(compat_appends, n) for n in range(10)]
    assert [handle.get_result() for handle in handles] == order == list(range(10))


def test_a_workflow_fans_out_over_a_queue(dbos):
    queue = Queue("compat-fan")

    @DBOS.workflow()
    def process_tasks(tasks):
        task_handles = []
        for task in tasks:
            task_handles.append(queue.enqueue(compat_appends, task))
        return [handle.get_result() for handle in task_handles]

    assert process_tasks(list(range(20))) == list(range(20))


def test_limits_are_never_exceeded(dbos):
    queue = Queue("compat-two", concurrency=2, worker_concurrency=2)
    handles = [queue.enqueue(compat_waits, n) for n in range(4)]
    wait_until(lambda: len(order) == 2)
    assert [each.status for each in DBOS.list_queued_workflows(queue_name="compat-two", status="ENQUEUED")] == [
        "ENQUEUED", "ENQUEUED"
    ]  # fmt: skip
    gate.set()
    assert [handle.get_result() for handle in handles] == [0, 1, 2, 3]


def test_a_rate_is_kept(dbos):
    queue = Queue("compat-rate", limiter={"limit": 2, "period": 0.4})
    handles = [queue.enqueue(compat_appends, n) for n in range(4)]
    starts = [handle.get_result() is not None and handle.get_status().dequeued_at for handle in handles]
    assert starts[2] - starts[0] >= 400 and starts[3] - starts[1] >= 400
    assert queue.limiter == {"limit": 2, "period": 0.4}


def test_low_priorities_go_first_and_none_before_all(dbos):
    queue = Queue("compat-priority", priority_enabled=True, concurrency=1)
    first = queue.enqueue(compat_waits, "first")
    wait_until(lambda: order == ["first"])
    handles = [first]
    for priority in (10, 1, 5):
        with SetEnqueueOptions(priority=priority):
            handles.append(queue.enqueue(compat_appends, priority))
    handles.append(queue.enqueue(compat_appends, None))
    gate.set()
    for handle in handles:
        handle.get_result()
    assert order == ["first", None, 1, 5, 10]
    with pytest.raises(DBOSException, match="priority"):
        SetEnqueueOptions(priority=0)


def test_a_duplicate_is_refused_or_attached(dbos):
    queue = Queue("compat-dedup")
    with SetEnqueueOptions(deduplication_id="my_dedup_id"):
        handle = queue.enqueue(compat_waits, 1)
        with pytest.raises(DBOSQueueDeduplicatedError) as refused:
            queue.enqueue(compat_waits, 2)
    assert (refused.value.queue_name, refused.value.deduplication_id) == ("compat-dedup", "my_dedup_id")
    with SetEnqueueOptions(deduplication_id="my_dedup_id", duplication_policy="return-existing"):
        assert queue.enqueue(compat_waits, 3).workflow_id == handle.workflow_id
    gate.set()
    assert handle.get_result() == 1
    with SetEnqueueOptions(deduplication_id="my_dedup_id"):
        assert queue.enqueue(compat_appends, 4).get_result() == 4


def test_a_refused_duplicate_in_a_workflow_is_a_recorded_step(dbos):
    queue = Queue("compat-dedup-inside")

    @DBOS.workflow()
    def enqueues_twice():
        with SetEnqueueOptions(deduplication_id="same"):
            queue.enqueue(compat_waits, 1)
            try:
                queue.enqueue(compat_waits, 2)
            except DBOSQueueDeduplicatedError as error:
                return str(error)

    handle = DBOS.start_workflow(enqueues_twice)
    assert handle.get_result().startswith("DBOS Error 12: ")
    refused = DBOS.list_workflow_steps(handle.workflow_id)[1]
    assert isinstance(refused["error"], DBOSQueueDeduplicatedError)


def test_partitions_have_their_own_limits(dbos):
    queue = Queue("compat-partitions", partition_queue=True, concurrency=1)
    with SetEnqueueOptions(queue_partition_key="one"):
        first, second = queue.enqueue(compat_waits, "one"), queue.enqueue(compat_appends, "one again")
    other = queue.enqueue(compat_appends, "two", partition_key="two")
    assert other.get_result() == "two" and other.get_status().queue_partition_key == "two"
    assert second.get_status().status == "ENQUEUED"
    gate.set()
    assert [first.get_result(), second.get_result()] == ["one", "one again"]
    with pytest.raises(DBOSException, match="partition"):
        queue.enqueue(compat_appends, "nowhere")
    with (
        pytest.raises(DBOSException, match="deduplicated"),
        SetEnqueueOptions(queue_partition_key="one", deduplication_id="d"),
    ):
        queue.enqueue(compat_appends, "nowhere")
    assert (queue.concurrency, queue.partition_concurrency, queue.global_concurrency) == (1, 1, None)


def test_a_partition_key_is_passed_on_to_a_function_that_takes_one(dbos):
    queue = Queue("compat-takes-key")

    @DBOS.workflow()
    def takes(user, partition_key):
        return [user, partition_key]

    assert queue.enqueue(takes, 1, partition_key="mine").get_result() == [1, "mine"]
    handle = queue.enqueue(compat_appends, 1, partition_key="kept")  # also where the queue is not partitioned
    assert handle.get_result() == 1 and handle.get_status().queue_partition_key == "kept"


def test_a_delayed_workflow_waits_and_its_delay_can_be_changed(dbos):
    queue = Queue("compat-delay")
    with SetEnqueueOptions(delay_seconds=60):
        handle = queue.enqueue(compat_appends, 1)
    status = handle.get_status()
    assert status.status == "DELAYED" and status.delay_until_epoch_ms > status.created_at + 59_000
    DBOS.set_workflow_delay(handle.workflow_id, delay_until_epoch_ms=status.created_at)
    assert handle.get_result() == 1


def test_options_without_a_queue_are_refused(dbos):
    for options in ({"priority": 1}, {"deduplication_id": "d"}, {"delay_seconds": 1}, {"queue_partition_key": "k"}):
        with pytest.raises(DBOSException, match="queue"), SetEnqueueOptions(**options):
            DBOS.start_workflow(compat_appends, 1)
    assert DBOS.list_workflows() == []


def test_a_timeout_begins_when_the_workflow_is_taken_from_its_queue(dbos):
    queue = Queue("compat-timeout", concurrency=1)

    @DBOS.workflow()
    def example_workflow():
        DBOS.sleep(60)

    busy = queue.enqueue(compat_waits, 1)
    with SetWorkflowTimeout(0.3):
        handle = queue.enqueue(example_workflow)
    assert handle.get_status().workflow_deadline_epoch_ms is None
    gate.set()
    assert busy.get_result() == 1
    with pytest.raises(DBOSAwaitedWorkflowCancelledError):
        handle.get_result()


def test_a_queue_that_nobody_knows_yet_keeps_what_is_enqueued(dbos):
    handle = DBOS.enqueue_workflow("compat-unknown", compat_appends, 1)
    assert handle.get_status().status == "ENQUEUED"
    Queue("compat-unknown")
    assert handle.get_result() == 1


def test_workflows_are_enqueued_by_name(dbos):
    Queue("compat-by-name")
    named = {"queue_name": "compat-by-name", "workflow_name": "compat_appends"}
    options = {**named, "workflow_id": "by-name", "priority": 3}
    handle = DBOS.enqueue_workflow_with_options(options, "value")
    assert handle.get_result() == "value" and handle.workflow_id == "by-name"
    assert handle.get_status().priority == 3


def test_queues_are_registered_changed_and_deleted_while_all_runs(dbos):
    queue = DBOS.register_queue("compat-dynamic", global_concurrency=2, limiter={"limit": 5, "period": 1})
    assert (queue.global_concurrency, queue.limiter) == (2, {"limit": 5, "period": 1})
    assert queue.enqueue(compat_appends, 1).get_result() == 1
    kept = DBOS.register_queue("compat-dynamic", global_concurrency=9, on_conflict="never_update")
    assert kept.global_concurrency == 2
    assert DBOS.register_queue("compat-dynamic", worker_concurrency=1).worker_concurrency == 1
    queue.set_global_concurrency(7)
    queue.set_limiter({"limit": 3, "period": 2})
    found = DBOS.retrieve_queue("compat-dynamic")
    assert (found.global_concurrency, found.limiter) == (7, {"limit": 3, "period": 2})
    assert "compat-dynamic" in [each.name for each in DBOS.list_queues()]
    DBOS.delete_queue("compat-dynamic")
    assert DBOS.retrieve_queue("compat-dynamic") is None
    with pytest.raises(DBOSException, match="on_conflict"):
        DBOS.register_queue("compat-dynamic", on_conflict="sometimes")


def test_the_coroutines_of_queues_do_the_same(dbos):
    @DBOS.workflow()
    async def doubles(n):
        return n * 2

    async def main():
        queue = await DBOS.register_queue_async("compat-async", worker_concurrency=3)
        await queue.set_worker_concurrency_async(4)
        handle = await queue.enqueue_async(doubles, 4)
        by_name = await DBOS.enqueue_workflow_async("compat-async", doubles, 5)
        found = await DBOS.retrieve_queue_async("compat-async")
        return [await handle.get_result(), await by_name.get_result(), found.terms["worker_concurrency"]]

    assert run_async(main()) == [8, 10, 4]


def test_a_queue_registered_in_a_workflow_is_one_step(dbos):
    @DBOS.workflow()
    def registers():
        return DBOS.register_queue("compat-inside", global_concurrency=1).name

    handle = DBOS.start_workflow(registers)
    assert handle.get_result() == "compat-inside"
    assert [step["function_name"] for step in DBOS.list_workflow_steps(handle.workflow_id)] == ["DBOS.registerQueue"]


def test_only_the_queues_that_are_listened_to_are_served(database):
    heard, unheard = Queue("compat-heard"), Queue("compat-unheard")
    DBOS(config={"name": "compat"})
    DBOS.listen_queues([heard])
    DBOS.launch()
    try:
        waiting = unheard.enqueue(compat_appends, "never")
        assert heard.enqueue(compat_appends, "now").get_result() == "now"
        assert DBOS.start_workflow(compat_appends, "without a queue").get_result() == "without a queue"
        assert waiting.get_status().status == "ENQUEUED"
        with pytest.raises(DBOSException, match=r"before DBOS\.launch"):
            DBOS.listen_queues([unheard])
    finally:
        DBOS.destroy()


def test_a_debounced_workflow_runs_once_with_the_last_inputs(dbos):
    debouncer = Debouncer.create(compat_appends)
    handles = [debouncer.debounce("user-1", 0.3, n) for n in range(3)]
    assert {handle.workflow_id for handle in handles} == {handles[0].workflow_id}
    assert handles[0].get_result() == 2 and order == [2]
    assert debouncer.debounce("user-1", 0.01, "next").workflow_id != handles[0].workflow_id


def test_a_debouncer_may_wait_for_a_queue_and_no_longer_than_its_timeout(dbos):
    queue = Queue("compat-debounced")

    async def main():
        debouncer = await Debouncer.create_async(compat_appends, debounce_timeout_sec=0.3, queue=queue)
        await debouncer.debounce_async("user-2", 60, 1)
        handle = await debouncer.debounce_async("user-2", 60, 2)
        return await handle.get_result(), (await handle.get_status()).queue_name

    assert run_async(main()) == (2, "compat-debounced")
