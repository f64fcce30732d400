"""Everything from outside the application: in a process without Django, in a project, on another database."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import connection, connections, transaction

import durable
from durable import Client
from durable.addresses import described, shown
from durable.client import METHODS, STREAMS
from durable.conf import conf, on_database
from durable.errors import (
    DatabaseAway,
    ImproperUse,
    InvalidOption,
    QueueDeduplicated,
    WorkflowNotFound,
    WorkflowWasCancelled,
    WrongColour,
)
from durable.executor import living
from durable.executor.hub import hub, stop_hubs
from durable.models import Executor, Message, Workflow
from tests.app import workflows as app
from tests.support import run_async, wait_until
from tests.support.processes import ROOT, environment


def address_of(database: dict) -> str:
    """The address of a database that Django describes."""
    if "sqlite" in database["ENGINE"]:
        return f"sqlite:///{quote(str(database['NAME']))}"
    place = {"host": database["HOST"], "port": database["PORT"]}
    login = f"{quote(database['USER'], safe='')}:{quote(database['PASSWORD'], safe='')}"
    query = "&".join(f"{key}={quote(str(value), safe='')}" for key, value in place.items() if value)
    return f"postgresql://{login}@/{database['NAME']}?{query}"


@pytest.fixture(scope="module")
def other(database, tmp_path_factory, django_db_blocker) -> Iterator[str]:
    """The address of a second database, of the same kind, with tables."""
    with django_db_blocker.unblock():
        here = settings.DATABASES["default"]
        if database == "sqlite":
            there = here | {"NAME": str(tmp_path_factory.mktemp("other") / "other.sqlite3")}
            Path(there["NAME"]).touch()
        else:
            there = here | {"NAME": f"{here['NAME']}_other"}
            with connection.cursor() as cursor:
                cursor.execute(f'create database "{there["NAME"]}" template template0')
        address = address_of(there)
        client = Client(address)
        alias = client._place.alias
        call_command("migrate", database=alias, verbosity=0, interactive=False)
        try:
            yield address
        finally:
            client.close()
            connections.settings.pop(alias)
            if database == "postgresql":
                with connection.cursor() as cursor:
                    cursor.execute(f'drop database "{there["NAME"]}" with (force)')


@pytest.fixture
def client(other) -> Iterator[Client]:
    """A client of the second database, which is empty."""
    with Client(other) as client:
        yield client
        for model in apps.get_app_config("durable").get_models():
            model.objects.using(client._place.alias).all().delete()


def rows_of(client: Client):
    return Workflow.objects.using(client._place.alias)


# --- a process that knows only the address

BARE = """
import asyncio, json, sys
import durable
from durable.errors import RecordedError, SerializationError

said = {}
with durable.Client(sys.argv[1], application="tests") as client:
    handle = client.enqueue("outside_checks", "o-1", queue="outside", workflow_id="w", attributes={"a": 1})
    said["event"] = client.get_event("w", "ready", 20)
    said["stream"] = list(client.read_stream("w", "numbers", timeout_seconds=20))
    client.send("w", {"go": True}, "signal")
    said["result"] = handle.get_result(timeout=20)
    said["status"] = [row.status for row in client.list_workflows(attributes={"a": 1})]
    said["steps"] = [step.name for step in client.list_workflow_steps("w")]
    said["first"] = client.wait_first([handle]).workflow_id
    said["queue"] = client.retrieve_queue("outside").name
    said["version"] = client.latest_version() is not None
    for name, error in (("outside_gives_a_class", SerializationError), ("outside_raises_its_own", RecordedError)):
        try:
            client.enqueue(name).get_result(timeout=20)
        except error as raised:
            said[name] = f"{type(raised).__name__}: {raised}"

    async def main():
        handle = await client.aenqueue("total", kwargs={"n": 4})
        values = [value async for value in client.aread_stream("w", "numbers", offset=1)]
        return [await handle.aget_result(timeout=20), values, (await handle.aget_status()).status]

    said["async"] = asyncio.run(main())
said["modules"] = [name for name in sys.modules if name.startswith("tests")]
print(json.dumps(said))
"""


class Unregistered:
    pass


class OutsideError(Exception):
    pass


@durable.step()
def decided(name: str) -> str:
    return f"{name} is decided"


@durable.workflow()
def outside_checks(name: str) -> list:
    durable.set_event("ready", name)
    for number in range(3):
        durable.write_stream("numbers", number)
    durable.close_stream("numbers")
    return [decided(name), durable.recv("signal", 20)]


@durable.workflow()
def outside_gives_a_class() -> Unregistered:
    return Unregistered()


@durable.workflow()
def outside_raises_its_own() -> None:
    raise OutsideError("own trouble")


outside_queue = durable.Queue("outside", concurrency=2)


def run_bare(program: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("DJANGO", "DURABLE"))}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program, *arguments], capture_output=True, text=True, timeout=90,
        env={**clean, "PYTHONPATH": str(ROOT), **variables}, check=False,
    )  # fmt: skip


def test_a_process_without_django_needs_the_address_only(executor, registered):
    registered("tests.unregistered", Unregistered, lambda value: {}, lambda stored: Unregistered())
    answer = run_bare(BARE, address_of(settings.DATABASES["default"]))
    assert answer.returncode == 0, answer.stderr
    said = json.loads(answer.stdout)
    assert said.pop("outside_gives_a_class").startswith("SerializationError: ")
    assert said.pop("outside_raises_its_own") == "RecordedError: OutsideError: own trouble"
    assert "decided" in said.pop("steps")
    assert said == {
        "event": "o-1", "stream": [0, 1, 2], "result": ["o-1 is decided", {"go": True}], "status": ["SUCCESS"],
        "first": "w", "queue": "outside", "version": True, "async": [6, [1, 2], "SUCCESS"], "modules": [],
    }  # fmt: skip
    assert Executor.objects.count() == 1


def test_a_script_that_names_its_settings_need_not_set_django_up(database):
    program = """if True:
        import durable
        client = durable.Client()
        print(client.enqueue("total", 3).workflow_id, *[row.name for row in client.list_workflows()])
        import durable.conf; print(durable.conf.conf().APPLICATION_NAME)
    """
    answer = run_bare(
        program, **{key: text for key, text in environment().items() if "DURABLE" in key or "DJANGO" in key}
    )
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.split()[1:] == ["total", "tests"]


def test_without_settings_and_address_it_says_what_to_give():
    answer = run_bare("import durable; durable.Client()")
    assert "give an address" in answer.stderr and "ImproperUse" in answer.stderr


# --- a project, and another database


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
    from durable.models import StreamEntry

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


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"database_url": "mysql://u:secret@h/d"}, "postgresql:// or sqlite:///"),
        ({"database_url": "postgresql://u:secret@h:port/d"}, "host:5432"),
        ({"database_url": "postgresql://u:secret@h"}, "name the database"),
        ({"database_url": "sqlite://"}, "name a file"),
        ({"database_url": "sqlite:///:memory:"}, "name a file"),
        ({"database_url": "sqlite:///a?mode=ro"}, "timeout=seconds"),
        ({"database_url": 5}, "give text"),
        ({"database_url": "sqlite:////a", "alias": "default"}, "not both"),
        ({"application": " "}, "give its name"),
    ],
)
def test_a_wrong_address_is_refused_without_showing_the_password(given, says):
    with pytest.raises(InvalidOption, match=says) as refused:
        Client(**given)
    assert "secret" not in str(refused.value)


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
        with pytest.raises(ImproperUse, match="manage.py migrate"):
            client.enqueue("total")

        async def ask():
            with pytest.raises(ImproperUse, match="manage.py migrate"):
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
    with pytest.raises(durable_timeout()):
        client.enqueue("total").get_result(timeout=0.05)
    assert living.any_of_this_process() is None
    assert not Executor.objects.using(client._place.alias).exists()
    client.close()
    names = [thread.name for thread in threading.enumerate()]
    wait_until(lambda: not [name for name in names if name.startswith("durable-poll")] or not _listening(), 5)
    assert client.list_workflows()[0].name == "total", "after a close it connects again"


def durable_timeout():
    from durable.errors import ResultTimeout

    return ResultTimeout


def _listening() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("durable")]


# --- addresses


def test_an_address_is_read_in_every_part():
    found = described("postgresql+psycopg://u%40s:p%2F%3A@%2FTmp%2FRun:5433/d%20b?sslmode=require&connect_timeout=3")
    assert found == {
        "ENGINE": "django.db.backends.postgresql", "NAME": "d b", "USER": "u@s", "PASSWORD": "p/:", "HOST": "/Tmp/Run",
        "PORT": "5433", "OPTIONS": {"sslmode": "require", "connect_timeout": "3"},
    }  # fmt: skip
    assert described("postgres://[::1]:5/x")["HOST"] == "::1"
    assert described("postgresql:///x?host=/tmp/run&user=u&password=p&port=9") == {
        "ENGINE": "django.db.backends.postgresql", "NAME": "x", "USER": "u", "PASSWORD": "p", "HOST": "/tmp/run",
        "PORT": "9", "OPTIONS": {},
    }  # fmt: skip
    several = described("postgresql://u@a:1,b:2/x")
    assert (several["HOST"], several["PORT"]) == ("a,b", "1,2")
    file = described("sqlite:////data/a%20b.sqlite3?timeout=5")
    assert (str(file["NAME"]), file["OPTIONS"]["timeout"]) == ("/data/a b.sqlite3", 5.0)
    assert str(described("sqlite:///a/b.sqlite3")["NAME"]) == "a/b.sqlite3"


@pytest.mark.parametrize(
    ("address", "is_shown"),
    [
        ("postgresql://u:secret@h/d", "postgresql://u:***@h/d"),
        ("postgresql://u:se?cr@et@h/d", "postgresql://u:***@h/d"),
        ("postgresql://h/d?user=u&password=secret&a=b", "postgresql://h/d?user=u&password=***&a=b"),
        ("sqlite:////a/b", "sqlite:////a/b"),
    ],
)
def test_an_address_is_shown_without_its_password(address, is_shown):
    assert shown(address) == is_shown
