"""Messages, events and streams as DBOS programs use them."""

from __future__ import annotations

import asyncio

import pytest

from durable.compat.dbos import DBOS, SetWorkflowID
from durable.compat.dbos.error import DBOSException, DBOSNonExistentWorkflowError, DBOSStreamTimeoutError
from tests.support.waiting import run_async


@DBOS.workflow()
def compat_receives(*topics):
    return [DBOS.recv(topic, timeout_seconds=10) for topic in topics]


def test_messages_arrive_by_topic_and_in_order(dbos):
    handle = DBOS.start_workflow(compat_receives, None, "a", "a", "b")
    for message, topic in (("b1", "b"), ("a1", "a"), ("a2", "a")):
        DBOS.send(handle.workflow_id, message, topic)
    DBOS.send(handle.workflow_id, "none")
    assert handle.get_result() == ["none", "a1", "a2", "b1"]


def test_a_message_with_a_key_arrives_once(dbos):
    handle = DBOS.start_workflow(compat_receives, "t", "t")
    for _ in range(3):
        DBOS.send(handle.workflow_id, "once", "t", idempotency_key="k")
    with SetWorkflowID("the-key-of-a-send"):
        DBOS.send(handle.workflow_id, "twice", "t")
    assert handle.get_result() == ["once", "twice"]


def test_a_bulk_is_sent_whole_or_not_at_all(dbos):
    handle = DBOS.start_workflow(compat_receives, "t", "t")
    with pytest.raises(DBOSNonExistentWorkflowError):
        DBOS.send_bulk([
            {"destination_id": handle.workflow_id, "message": 0, "topic": "t"},
            {"destination_id": "nobody", "message": 0, "topic": "t"},
        ])  # fmt: skip
    twice = {"destination_id": handle.workflow_id, "message": 9, "topic": "t", "idempotency_key": "k"}
    with pytest.raises(DBOSException):
        DBOS.send_bulk([twice, twice])
    DBOS.send_bulk([{"destination_id": handle.workflow_id, "message": n, "topic": "t"} for n in (1, 2)])
    assert handle.get_result() == [1, 2]


def test_waiting_in_vain_gives_none(dbos):
    @DBOS.workflow()
    def waits_in_vain():
        return [DBOS.recv("never", timeout_seconds=0.01), DBOS.get_event("nobody", "never", 0.01)]

    assert waits_in_vain() == [None, None]
    assert DBOS.get_event("nobody", "never", timeout_seconds=0.01) is None


def test_events_are_published_and_replaced_from_workflows_and_steps(dbos):
    @DBOS.step()
    def publishes():
        DBOS.set_event("from a step", 1)

    @DBOS.workflow()
    def tells():
        DBOS.set_event("stage", "one")
        DBOS.set_event("stage", "two")
        publishes()

    handle = DBOS.start_workflow(tells)
    handle.get_result()
    assert DBOS.get_event(handle.workflow_id, "stage") == "two"
    assert DBOS.get_all_events(handle.workflow_id) == {"stage": "two", "from a step": 1}


def test_verbs_of_workflows_are_refused_elsewhere(dbos):
    for attempt in (lambda: DBOS.recv("t"), lambda: DBOS.set_event("k", 1), lambda: DBOS.sleep(1)):
        with pytest.raises(DBOSException, match="workflow"):
            attempt()

    @DBOS.step()
    def receives_in_a_step():
        DBOS.recv("t")

    @DBOS.workflow()
    def has_such_a_step():
        receives_in_a_step()

    with pytest.raises(DBOSException, match="step"):
        has_such_a_step()


def test_a_stream_is_read_while_it_is_written(dbos):
    example_key = "example"

    @DBOS.workflow()
    def producer_workflow():
        DBOS.write_stream(example_key, {"step": 1, "data": "value1"})
        DBOS.recv("go")
        DBOS.write_stream(example_key, {"step": 2, "data": "value2"})
        DBOS.close_stream(example_key)
        DBOS.recv("end")

    handle = DBOS.start_workflow(producer_workflow)
    values = DBOS.read_stream(handle.workflow_id, example_key)
    assert next(values) == {"step": 1, "data": "value1"}
    DBOS.send(handle.workflow_id, None, "go")
    assert list(values) == [{"step": 2, "data": "value2"}]
    assert list(DBOS.read_stream(handle.workflow_id, example_key, offset=1)) == [{"step": 2, "data": "value2"}]
    DBOS.send(handle.workflow_id, None, "end")
    handle.get_result()


def test_a_stream_ends_with_its_workflow_and_waits_no_longer_than_asked(dbos):
    @DBOS.workflow()
    def leaves_open():
        DBOS.write_stream("open", 1)
        DBOS.recv("end")

    handle = DBOS.start_workflow(leaves_open)
    values = DBOS.read_stream(handle.workflow_id, "open", timeout_seconds=0.2)
    assert next(values) == 1
    with pytest.raises(DBOSStreamTimeoutError):
        next(values)
    DBOS.send(handle.workflow_id, None, "end")
    assert list(DBOS.read_stream(handle.workflow_id, "open")) == [1]
    with pytest.raises(DBOSNonExistentWorkflowError):
        list(DBOS.read_stream("nobody", "open"))


def test_a_step_that_is_tried_again_writes_again(dbos):
    tries = []

    @DBOS.step(retries_allowed=True, interval_seconds=0.001)
    def writes():
        DBOS.write_stream("tries", len(tries))
        tries.append(1)
        if len(tries) < 3:
            raise ValueError

    @DBOS.workflow()
    def streams_from_a_step():
        writes()

    with SetWorkflowID("streams"):
        streams_from_a_step()
    assert list(DBOS.read_stream("streams", "tries")) == [0, 1, 2]


def test_the_coroutines_do_the_same(dbos):
    @DBOS.workflow()
    async def talks():
        await DBOS.set_event_async("ready", True)
        await DBOS.write_stream_async("s", 1)
        await DBOS.close_stream_async("s")
        await DBOS.sleep_async(0.001)
        return await DBOS.recv_async("t")

    async def main():
        handle = await DBOS.start_workflow_async(talks)
        assert await DBOS.get_event_async(handle.workflow_id, "ready") is True
        values = [value async for value in DBOS.read_stream_async(handle.workflow_id, "s")]
        await DBOS.send_async(handle.workflow_id, "sent", "t")
        result = await asyncio.wait_for(handle.get_result(), 10)
        return result, values, await DBOS.get_all_events_async(handle.workflow_id)

    assert run_async(main()) == ("sent", [1], {"ready": True})
