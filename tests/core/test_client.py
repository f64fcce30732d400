"""Everything from outside the application, from a project, on another database."""

from __future__ import annotations

import asyncio
import inspect
import threading

import pytest
from django.conf import settings
from django.db import connection, connections, transaction

import durable
from durable import Client
from durable.client import METHODS, STREAMS
from durable.conf import conf, on_database
from durable.errors import (
    DatabaseAway,
    ImproperUse,
    InvalidOption,
    QueueDeduplicated,
    ResultTimeout,
    WorkflowNotFound,
    WorkflowWasCancelled,
    WrongColour,
)
from durable.executor import living
from durable.executor.hub import hub, stop_hubs
from durable.models import Executor, Message, StreamEntry, Workflow
from tests.app import workflows as app
from tests.support import run_async, wait_until
from tests.support.addresses import address_of


@pytest.fixture
def client(other_client: Client) -> Client:
    """A client of the second database, which is empty."""
    return other_client


def rows_of(client: Client):
    return Workflow.objects.using(client._place.alias)


def test_in_a_project_it_reaches_the_engines_database_by_any_of_its_names(executor):
    address = address_of(settings.DATABASES["default"])
    aliases = list(connections)
    for number, client in enumerate([Client(), Client(alias="default"), Client(address)]):
        assert client.enqueue("total", 3, workflow_id=f"w-{number}").get_result(timeout=10) == 3
        assert client._place.alias == "default"
        client.close()
    assert connection.connection is not None, "it closed a connection that is not its own"
    assert list(connections) == aliases


def test_what_it_starts_and_finds_is_in_its_database_and_nowhere_else(client, executor):
    handle = client.enqueue("total", 3, queue="q", workflow_id="w", priority=2, attributes={"a": 1})
    assert not Workflow.objects.exists()
    assert rows_of(client).get().name == "total"
    with pytest.raises(WorkflowNotFound):
        durable.retrieve_workflow("w")
    assert durable.list_workflows() == []
    assert [row.pk for row in client.list_queued_workflows(queue="q")] == ["w"]
    [row] = client.list_workflows(attributes={"a": 1}, load_input=False)
    assert row.load_input() == {"args": [3], "kwargs": {}}
    assert handle.get_status().phase.key == "queued"
    assert client.cancel_workflow("w") and client.get_workflow("w").status == "CANCELLED"
    with pytest.raises(WorkflowWasCancelled):
        handle.get_result()


def test_handles_stay_with_the_client_that_gave_them(client, executor):
    client.enqueue("total", 3, queue="q", workflow_id="w")
    app.total.using(workflow_id="w").start(5)
    client.cancel_workflows(["w"])
    for handle in (
        client.retrieve_workflow("w"), client.resume_workflow("w"), *client.resume_workflows(["w"]),
        client.wait_first([cancelled(client)]), client.fork_workflow("w", workflow_id="f"),
    ):  # fmt: skip
        assert handle.get_status()._state.db == client._place.alias
    assert durable.retrieve_workflow("w").get_result(timeout=10) == 10
    assert rows_of(client).get(pk="w").status == "ENQUEUED"


def cancelled(client: Client):
    handle = client.enqueue("total", 1, queue="q")
    client.cancel_workflow(handle.workflow_id)
    return handle


def test_messages_events_and_results_cross_databases_only_through_it(client):
    """Nobody runs workflows there: its rows are written as an executor would."""
    handle = client.enqueue("total", 3, workflow_id="w")
    client.send("w", "hello", "topic", idempotency_key="k")
    client.send_bulk([{"destination_id": "w", "message": 1}])
    assert Message.objects.using(client._place.alias).count() == 2 and not Message.objects.exists()
    assert client.get_event("w", "none", 0) is None and client.get_all_events("w") == {}

    def end() -> None:
        rows_of(client).filter(pk="w").update(status="SUCCESS", output="3", run_after=None)
        connections[client._place.alias].close()

    timer = threading.Timer(0.3, end)
    timer.start()
    assert handle.get_result(timeout=10) == 3
    timer.join()


def test_queues_schedules_and_versions_are_those_of_its_database(client):
    client.register_queue("there", concurrency=2)
    client.pause_queue("there")
    assert client.retrieve_queue("there").paused and durable.retrieve_queue("there") is None
    client.create_schedule("nightly", "total", "0 2 * * *", context={"a": 1})
    assert [each.name for each in client.list_schedules()] == ["nightly"] and durable.list_schedules() == []
    handle = client.trigger_schedule("nightly")
    assert handle.get_status().schedule == "nightly" and not Workflow.objects.exists()
    assert client.list_versions() == []
    assert client.delete_queue("there") and client.delete_schedule("nightly")


def test_the_rest_of_the_program_keeps_its_database(client):
    before = conf()
    values = client.read_stream(client.enqueue("total", 1, workflow_id="w").workflow_id, "numbers", timeout_seconds=5)
    for offset, value in enumerate(["1", "2", None]):
        StreamEntry.objects.using(client._place.alias).create(
            workflow_id="w", key="numbers", offset=offset, seq=1, value=value
        )
    for value in values:
        assert conf() is before and value in (1, 2)
        assert durable.list_workflows() == []
    with pytest.raises(WorkflowNotFound):
        client.get_workflow("nobody")
    assert conf() is before


def test_an_atomic_block_there_commits_or_rolls_back_what_it_starts(client):
    alias = client._place.alias
    with pytest.raises(ZeroDivisionError), transaction.atomic(using=alias):
        client.enqueue("total", 1, workflow_id="a")
        raise ZeroDivisionError
    assert not rows_of(client).exists()
    stop_hubs()
    with transaction.atomic(using=alias):
        client.enqueue("total", 1, queue="q", workflow_id="b")
        client.send("b", 1)
    with on_database(alias):
        assert {"q:q", "w:b"} <= set(hub()._changed), "its wake-ups were not told there"
    assert not {"q:q", "w:b"} & set(hub()._changed), "its wake-ups were told elsewhere"


def test_several_threads_and_tasks_use_clients_of_several_databases_at_once(client):
    here = Client()

    def start(each: Client, name: str) -> None:
        for number in range(5):
            each.enqueue("total", 1, workflow_id=f"{name}-{number}")
        connections[each._place.alias].close()

    threads = [threading.Thread(target=start, args=(each, name)) for each, name in ((client, "there"), (here, "here"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    async def astart(each: Client, name: str) -> None:
        for number in range(5, 10):
            await each.aenqueue("total", 1, workflow_id=f"{name}-{number}")
            assert (await each.aget_workflow(f"{name}-{number}")).pk

    async def main() -> None:
        await asyncio.gather(astart(client, "there"), astart(here, "here"))
        await client.aclose()

    run_async(main())
    assert {row.pk for row in rows_of(client)} == {f"there-{number}" for number in range(10)}
    assert {row.pk for row in Workflow.objects.all()} == {f"here-{number}" for number in range(10)}


# --- from within workflows

reached: list[Client] = []


@durable.workflow()
def reaches_out_at_once() -> str:
    reached[0].send("w", "again with every replay")
    return "sent"


@durable.step()
def reach_out(name: str) -> str:
    return reached[0].enqueue(name, workflow_id="from-a-step").workflow_id


@durable.step()
async def areach_out(name: str) -> str:
    return (await reached[0].aenqueue(name, workflow_id="from-an-async-step")).workflow_id


@durable.workflow()
def reaches_out() -> list:
    return [reach_out("total"), [row.pk for row in durable.list_workflows(name="total")]]


@durable.workflow()
async def areaches_out() -> str:
    return await areach_out("total")


def test_inside_a_workflow_it_works_in_steps_and_says_so(client, executor):
    reached[:] = [client]
    with pytest.raises(ImproperUse, match=r"Call it in a @durable.step"):
        reaches_out_at_once.start().get_result(timeout=10)
    assert reaches_out.start().get_result(timeout=10) == ["from-a-step", []]
    assert areaches_out.start().get_result(timeout=10) == "from-an-async-step"
    there = rows_of(client).get(pk="from-a-step")
    assert there.parent is None and {row.pk for row in rows_of(client)} == {"from-a-step", "from-an-async-step"}


# --- what it refuses, and what it survives


def test_it_has_every_verb_with_its_words_in_both_colours(database):
    for name in (*METHODS, *STREAMS):
        assert name in durable.__all__ and f"a{name}" in durable.__all__
        for each in (name, f"a{name}"):
            method = getattr(Client, each)
            assert (
                inspect.signature(method).parameters.keys()
                >= inspect.signature(getattr(durable, each)).parameters.keys()
            )
            assert len(method.__doc__) > 20
    left_out = {
        each for each in durable.__all__
        if each.islower() and f"a{each}" in durable.__all__ and not hasattr(Client, each)
    }  # fmt: skip
    assert left_out <= {
        "start_workflow", "gather", "recv", "set_event", "sleep", "write_stream", "close_stream", "patch",
        "deprecate_patch",
    }, "a verb that clients do not have"  # fmt: skip


def test_wrong_options_are_refused_and_nothing_is_stored(client):
    for options in ({"priority": 1}, {"quue": "q"}, {"queue": " "}, {"queue": "q", "priority": 0}):
        with pytest.raises(InvalidOption):
            client.enqueue("total", **options)
    for name in ("", None, app.total):
        with pytest.raises(InvalidOption, match="workflow's name"):
            client.enqueue(name)
    client.enqueue("total", queue="q", dedup_id="d")
    with pytest.raises(QueueDeduplicated):
        client.enqueue("total", queue="q", dedup_id="d")
    assert rows_of(client).count() == 1


def test_a_blocking_method_is_refused_on_an_event_loop(client):
    async def block():
        for call in (lambda: client.enqueue("total"), client.list_workflows, lambda: client.send("w", 1)):
            with pytest.raises(WrongColour, match="await"):
                call()

    run_async(block())


def test_a_database_without_tables_or_that_is_not_there_is_said_plainly(database, tmp_path):
    missing = tmp_path / "missing.sqlite3"
    with Client(f"sqlite:///{missing}") as client, pytest.raises(DatabaseAway, match="there is no file"):
        client.list_workflows()
    assert not missing.exists()
    missing.touch()
    with Client(f"sqlite:///{missing}") as client:
        with pytest.raises(ImproperUse, match=r"manage\.py migrate"):
            client.enqueue("total")

        async def ask():
            with pytest.raises(ImproperUse, match=r"manage\.py migrate"):
                await client.alist_workflows()

        run_async(ask())
    with Client("postgresql://nobody:secret@127.0.0.1:1/x") as client, pytest.raises(DatabaseAway) as away:
        client.list_workflows()
    assert "secret" not in str(away.value) and "127.0.0.1" in str(away.value)
    if database == "postgresql":
        nowhere = settings.DATABASES["default"] | {"NAME": "nowhere"}
        with Client(address_of(nowhere)) as client, pytest.raises(DatabaseAway, match="nowhere"):
            client.list_workflows()


def test_a_connection_that_was_lost_in_between_is_made_again(client, database):
    if database == "sqlite":
        pytest.skip("a file has no server that could end a session")
    client.enqueue("total", workflow_id="a")
    with connection.cursor() as cursor:
        cursor.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname like '%_other'")
    assert client.enqueue("total", workflow_id="b").get_status().pk == "b"

    async def ask() -> str:
        return (await client.aget_workflow("b")).pk

    assert run_async(ask()) == "b"


def test_it_starts_no_executor_and_leaves_no_thread_behind(client):
    with pytest.raises(ResultTimeout):
        client.enqueue("total").get_result(timeout=0.05)
    assert living.any_of_this_process() is None
    assert not Executor.objects.using(client._place.alias).exists()
    assert threads_of_the_engine()
    client.close()
    wait_until(lambda: not threads_of_the_engine(), 5, "its threads have ended")
    assert client.list_workflows()[0].name == "total", "after a close it connects again"


def threads_of_the_engine() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("durable")]
