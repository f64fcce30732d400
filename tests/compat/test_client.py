"""DBOSClient: a program's workflows from outside."""

from __future__ import annotations

import pytest
from django.db import connections

from durable.compat.dbos import DBOS, DBOSClient, DebouncerClient, EnqueueOptions, Queue
from durable.compat.dbos.error import (
    DBOSAwaitedWorkflowCancelledError,
    DBOSException,
    DBOSInitializationError,
    DBOSNonExistentWorkflowError,
    DBOSQueueDeduplicatedError,
)
from tests.support.waiting import run_async

from .running import address_of


@DBOS.workflow()
def compat_pipeline(task, *, times=1):
    DBOS.set_event("stage", "started")
    DBOS.write_stream("lines", task)
    return [task] * times


@DBOS.workflow()
def compat_waits_for_go():
    return DBOS.recv("go")


@DBOS.workflow()
def compat_of_a_schedule(scheduled, context):
    return context


@pytest.fixture
def url(database):
    alias = connections.settings["default"]
    return f"sqlite:///{alias['NAME']}" if database == "sqlite" else address_of(alias, alias["NAME"])


@pytest.fixture
def client(dbos, url):
    Queue("compat-client")
    with DBOSClient(system_database_url=url) as client:
        yield client


def options(name, **more) -> EnqueueOptions:
    return {"queue_name": "compat-client", "workflow_name": name, **more}


def test_a_client_enqueues_by_name_and_waits(client):
    handle = client.enqueue(options("compat_pipeline", workflow_id="piped", priority=3), "a", times=2)
    assert handle.get_workflow_id() == "piped" and handle.get_result() == ["a", "a"]
    status = handle.get_status()
    assert (status.status, status.queue_name, status.priority) == ("SUCCESS", "compat-client", 3)
    assert client.get_event("piped", "stage") == "started"
    assert list(client.read_stream("piped", "lines")) == ["a"]
    assert [each.workflow_id for each in client.list_workflows(name="compat_pipeline")] == ["piped"]
    assert client.list_workflow_steps("piped")[0]["function_name"] == "DBOS.setEvent"
    assert client.retrieve_workflow("piped").get_result() == ["a", "a"]


def test_a_client_takes_every_option_of_an_enqueueing(client):
    given = options(
        "compat_waits_for_go", deduplication_id="d", workflow_timeout=60, app_version=None, delay_seconds=0,
        attributes={"a": 1}, authenticated_user="ada", authenticated_roles=["user"],
    )  # fmt: skip
    handle = client.enqueue(given)
    with pytest.raises(DBOSQueueDeduplicatedError):
        client.enqueue(given)
    assert client.enqueue({**given, "duplication_policy": "return-existing"}).workflow_id == handle.workflow_id
    status = handle.get_status()
    assert (status.authenticated_user, status.attributes, status.workflow_timeout_ms) == ("ada", {"a": 1}, 60_000)
    client.cancel_workflow(handle.workflow_id)
    with pytest.raises(DBOSAwaitedWorkflowCancelledError):
        handle.get_result()
    resumed = client.resume_workflow(handle.workflow_id)
    client.send(handle.workflow_id, "go", "go", idempotency_key="k")
    assert resumed.get_result() == "go"
    fork = client.fork_workflow(handle.workflow_id, 1)
    client.send(fork.workflow_id, "again", "go")
    assert client.wait_first([fork]).get_result() in ("go", "again")
    client.delete_workflow(handle.workflow_id)
    assert client.get_workflow_status(handle.workflow_id) is None


def test_a_client_manages_queues_and_schedules(client):
    queue = client.register_queue("compat-of-client", global_concurrency=2)
    assert queue.global_concurrency == client.retrieve_queue("compat-of-client").global_concurrency == 2
    client.delete_queue("compat-of-client")
    client.create_schedule(
        schedule_name="compat-client", workflow_name="compat_of_a_schedule", schedule="0 0 1 1 *", context={"c": 1}
    )
    assert client.get_schedule("compat-client")["workflow_name"] == "compat_of_a_schedule"
    assert client.trigger_schedule("compat-client").get_result() == {"c": 1}
    client.delete_schedule("compat-client")
    assert client.get_schedule("compat-client") is None


def test_what_a_client_asks_of_nobody_is_an_error(client):
    with pytest.raises(DBOSNonExistentWorkflowError):
        client.retrieve_workflow("nobody")
    with pytest.raises(DBOSNonExistentWorkflowError):
        client.send("nobody", 1)
    client.cancel_workflow("nobody")
    with pytest.raises(DBOSException, match="colour"):
        client.enqueue({**options("compat_pipeline"), "colour": "red"})


def test_a_client_needs_an_address():
    with pytest.raises(DBOSException, match="system_database_url"):
        DBOSClient()
    with pytest.raises(DBOSInitializationError, match="postgresql://"):
        DBOSClient(system_database_url="somewhere")


def test_a_client_debounces_by_name(client):
    debouncer = DebouncerClient(client, options("compat_pipeline"))
    handles = [debouncer.debounce("user", 0.2, n) for n in (1, 2)]
    assert handles[0].workflow_id == handles[1].workflow_id and handles[1].get_result() == [2]


def test_the_coroutines_of_a_client_do_the_same(client):
    async def main():
        handle = await client.enqueue_async(options("compat_waits_for_go"))
        await client.send_async(handle.workflow_id, "sent", "go")
        result = await handle.get_result()
        listed = await client.list_workflows_async(workflow_ids=[handle.workflow_id])
        status = await handle.get_status()
        piped = await client.enqueue_async(options("compat_pipeline"), 1)
        values = [value async for value in client.read_stream_async(piped.workflow_id, "lines")]
        with pytest.raises(RuntimeError, match="enqueue_async"):
            client.enqueue(options("compat_pipeline"), 1)
        return result, listed[0] == status, values, await client.get_event_async(piped.workflow_id, "stage")

    assert run_async(main()) == ("sent", True, [1], "started")
