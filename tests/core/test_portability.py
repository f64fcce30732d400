"""A workflow leaves a database as a JSON document and goes on in another; bad documents change nothing."""

from __future__ import annotations

import copy
import json
import threading
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import durable
from durable import portability
from durable.conf import on_database
from durable.errors import DurableError, InvalidDocument, QueueDeduplicated, WorkflowConflict, WorkflowNotFound
from durable.models import Attempt, Event, Message, Now, Step, StepAttempt, StreamEntry, Wait, Workflow
from tests.app import workflows as app
from tests.app.models import Effect
from tests.support import run_async, wait_until

TABLES = (Workflow, Step, StepAttempt, Attempt, Event, StreamEntry, Message)
ANEW = {"id", "position", "created_at", "updated_at", "epoch", "run_after", "executor"}


@durable.workflow(name="portability.order")
def order(n: int) -> list:
    """Steps 1 and 2, a message (3, 4), a step (5)."""
    app.note("before")
    durable.set_event("stage", n)
    word = durable.recv("t", 600)
    app.note("after")
    return [n, word]


@durable.workflow(name="portability.parent")
def parent() -> int:
    return app.fans_out.using(workflow_id="middle").start(3).get_result()


@durable.workflow(name="portability.carries")
def carries(workflow_id: str) -> str:
    document = durable.export_workflow(workflow_id)
    durable.delete_workflow(workflow_id)
    return durable.import_workflow(document).workflow_id


def stored(workflow_id: str) -> dict[str, list[dict[str, Any]]]:
    """All that is stored about a workflow."""
    found: dict[str, list[dict[str, Any]]] = {}
    for model in TABLES:
        field = "pk" if model is Workflow else "workflow_id"
        found[model.__name__] = list(model.objects.filter(**{field: workflow_id}).values())
    for table in ("Attempt", "Message"):
        for row in found[table]:
            row.pop("id")
    return found


def through_json(document: dict[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(document, allow_nan=False))


def waiting(handle: Any) -> None:
    wait_until(lambda: Wait.objects.filter(workflow_id=handle.workflow_id).exists(), 10, "it waits")


def full() -> dict[str, Any]:
    """The document of a workflow with a row of each kind."""
    Workflow.objects.create(
        id="w", name="total", input='{"args":[1],"kwargs":{}}', status="ERROR", failure="ERROR", epoch=3, error="{}",
        error_type="ValueError", completed_at=Now(), attributes={"a": [1, None]}, authenticated_roles=["boss"],
    )  # fmt: skip
    Step.objects.create(workflow_id="w", seq=1, name="s", epoch=3, output="1", started_at=Now(), completed_at=Now())
    StepAttempt.objects.create(workflow_id="w", seq=1, n=1, name="s", error="{}", started_at=Now(), ended_at=Now())
    Attempt.objects.create(workflow_id="w", epoch=1, ended_at=Now(), outcome="lost", detail="a\nb")
    Event.objects.create(workflow_id="w", key="k", seq=1, value='"ü"')
    StreamEntry.objects.create(workflow_id="w", key="k", offset=0, seq=1, value="1")
    StreamEntry.objects.create(workflow_id="w", key="k", offset=1, seq=1, value=None)
    Message.objects.create(workflow_id="w", key="k", body="1", topic="t", consumed_seq=1)
    Message.objects.create(workflow_id="w", key="l", body="2", topic="t")
    return through_json(durable.export_workflow("w"))


def test_what_has_ended_comes_back_as_it_was(database):
    document = full()
    before = stored("w")
    assert all(before.values())
    durable.delete_workflow("w")
    assert durable.import_workflow(document).workflow_id == "w"
    after = stored("w")
    [old], [new] = before.pop("Workflow"), after.pop("Workflow")
    assert after == before
    assert new.pop("epoch") == old.pop("epoch") + 1
    assert new.pop("position") is not None and old.pop("position") == 0
    assert new == old
    again = durable.export_workflow("w")
    again["workflows"][0]["workflow"]["epoch"] -= 1
    assert again == document


def test_what_had_not_ended_goes_on_from_its_last_step(executor):
    handle = order.using(workflow_id="w", attributes={"a": 1}).start(7)
    waiting(handle)
    document = through_json(durable.export_workflow("w"))
    durable.delete_workflow("w")
    assert durable.import_workflow(document) == handle
    durable.send("w", "now", "t")
    assert handle.get_result(timeout=10) == [7, "now"]
    assert Effect.objects.filter(key="before").count() == 1
    assert durable.get_event("w", "stage", 0) == 7
    assert handle.get_status().attributes == {"a": 1}


def test_a_delayed_one_keeps_its_time_and_a_waiting_one_its_queue(database):
    late = app.total.using(queue="q", delay=1000).start(1).workflow_id
    soon = app.total.using(queue="q", dedup_id="d").start(1).workflow_id
    before = {row.id: row for row in Workflow.objects.all()}
    documents = [durable.export_workflow(each) for each in (late, soon)]
    durable.delete_workflows([late, soon])
    for document in documents:
        durable.import_workflow(document)
    after = {row.id: row for row in Workflow.objects.all()}
    assert (after[late].status, after[late].wake_at, after[late].run_after) == ("DELAYED", before[late].wake_at, None)
    assert (after[soon].status, after[soon].dedup_id, after[soon].queue) == ("ENQUEUED", "d", "q")
    assert after[soon].run_after is not None and after[soon].position > 0


def test_into_another_database(database, executor, tmp_path):
    handle = app.total.using(workflow_id="w").start(3)
    handle.get_result(timeout=10)
    document = durable.export_workflow("w")
    own = {
        "ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "other.sqlite3"),
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20},
    }  # fmt: skip
    connections.settings["other"] = connections.configure_settings({"default": own})["default"]
    try:
        call_command("migrate", database="other", verbosity=0)
        with on_database("other"):
            assert durable.import_workflow(document).get_result(timeout=5) == 3
            again = durable.export_workflow("w")
        again["workflows"][0]["workflow"]["epoch"] -= 1
        assert again == document
        assert Workflow.objects.count() == 1 and Workflow.objects.using("other").count() == 1
    finally:
        connections["other"].close()
        del connections["other"], connections.settings["other"]


def test_with_its_children_at_any_depth(executor):
    assert parent.using(workflow_id="w").start().get_result(timeout=10) == 1
    alone, family = durable.export_workflow("w"), durable.export_workflow("w", children=True)
    assert [len(each["workflows"]) for each in (alone, family)] == [1, 5]
    assert durable.delete_workflow("w", delete_children=True)
    durable.import_workflow(family)
    assert Workflow.objects.count() == 5 and Workflow.objects.filter(parent="middle").count() == 3
    assert durable.retrieve_workflow("middle").get_result(timeout=5) == 1


def test_an_unknown_workflow_cannot_be_exported(database):
    with pytest.raises(WorkflowNotFound):
        durable.export_workflow("nobody")


def test_an_id_that_exists_is_refused_and_nothing_is_stored(database):
    document = full()
    other = copy.deepcopy(document["workflows"][0])
    other["workflow"]["id"] = "new"
    document["workflows"].insert(0, other)
    with pytest.raises(WorkflowConflict, match="'w' exists here"):
        durable.import_workflow(document)
    assert not Workflow.objects.filter(pk="new").exists() and not Step.objects.filter(workflow_id="new").exists()


def test_of_two_imports_at_once_one_wins(database):
    document = full()
    durable.delete_workflow("w")
    barrier, outcomes = threading.Barrier(2), []

    def bring() -> None:
        barrier.wait()
        try:
            durable.import_workflow(document)
            outcomes.append("stored")
        except WorkflowConflict:
            outcomes.append("refused")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=bring) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(outcomes) == ["refused", "stored"]
    assert len(stored("w")["Step"]) == 1


def test_an_id_that_is_taken_between_the_look_and_the_write_is_refused_too(database, monkeypatch):
    document = full()
    looks = iter([lambda alias, ids: None, portability._check_free])
    monkeypatch.setattr(portability, "_check_free", lambda alias, ids: next(looks)(alias, ids))
    with pytest.raises(WorkflowConflict, match="'w' exists here"):
        durable.import_workflow(document)
    assert len(stored("w")["Step"]) == 1


def test_a_deduplication_id_that_is_in_use_is_said(database):
    document = durable.export_workflow(app.total.using(queue="q", dedup_id="d").start(1).workflow_id)
    durable.delete_workflow(document["workflows"][0]["workflow"]["id"])
    app.total.using(queue="q", dedup_id="d").start(1)
    with pytest.raises(QueueDeduplicated):
        durable.import_workflow(document)
    assert Workflow.objects.count() == 1


def test_remains_of_a_deleted_workflow_are_not_taken_for_the_imported_ones(database):
    document = full()
    durable.delete_workflow("w")
    Message.objects.create(workflow_id="w", key="late", body="1")
    durable.import_workflow(document)
    assert [row["key"] for row in stored("w")["Message"]] == ["k", "l"]


WRONG: dict[str, tuple[str, Any]] = {
    "no document": ("", [1]),
    "another format": ("format", "x"),
    "a newer version": ("version", 2),
    "no version": ("version", True),
    "unknown part": ("more", 1),
    "no workflows": ("workflows", []),
    "workflows that are none": ("workflows", {"a": 1}),
    "a workflow that is none": ("workflows.0", 7),
    "an unknown column": ("workflows.0.workflow.shoe_size", 43),
    "an unknown table": ("workflows.0.shoes", []),
    "a blank id": ("workflows.0.workflow.id", "  "),
    "no id": ("workflows.0.workflow.id", None),
    "an id with U+0000": ("workflows.0.workflow.id", "a\x00b"),
    "an id that is no text": ("workflows.0.workflow.id", 7),
    "an id that is torn": ("workflows.0.workflow.id", "\ud800"),
    "an id that no index holds": ("workflows.0.workflow.id", "x" * 3000),
    "an unknown status": ("workflows.0.workflow.status", "DONE"),
    "an epoch without end": ("workflows.0.workflow.epoch", 2**31 - 1),
    "a negative epoch": ("workflows.0.workflow.epoch", -1),
    "an epoch before its steps": ("workflows.0.workflow.epoch", 2),
    "an epoch that is true": ("workflows.0.workflow.epoch", True),
    "a generation that is a fraction": ("workflows.0.workflow.generation", 1.5),
    "a timeout that is none": ("workflows.0.workflow.timeout", float("nan")),
    "a time without a zone": ("workflows.0.workflow.created_at", "2026-01-01T00:00:00"),
    "a time that is none": ("workflows.0.workflow.created_at", "soon"),
    "a time that is a number": ("workflows.0.workflow.created_at", 1.0),
    "a time beyond all": ("workflows.0.workflow.created_at", "0001-01-01T00:00:00+14:00"),
    "attributes that are no object": ("workflows.0.workflow.attributes", [1]),
    "attributes with U+0000": ("workflows.0.workflow.attributes", {"a": "\x00"}),
    "attributes with NaN": ("workflows.0.workflow.attributes", {"a": float("inf")}),
    "attributes that are torn": ("workflows.0.workflow.attributes", {"\udfff": 1}),
    "roles that are no texts": ("workflows.0.workflow.authenticated_roles", [1]),
    "a flag that is a number": ("workflows.0.workflow.was_forked_from", 1),
    "a serializer of somebody": ("workflows.0.workflow.serialization", "pickle"),
    "a serializer by path": ("workflows.0.workflow.serialization", "os.system"),
    "an input that is no JSON": ("workflows.0.workflow.input", "{"),
    "an input that is too deep": ("workflows.0.workflow.input", "[" * 100_000),
    "an error that is no JSON": ("workflows.0.workflow.error", "oops"),
    "steps that are none": ("workflows.0.steps", {"1": 1}),
    "a step that is none": ("workflows.0.steps.0", None),
    "a step without a number": ("workflows.0.steps.0.seq", None),
    "a step 0": ("workflows.0.steps.0.seq", 0),
    "a step of no kind": ("workflows.0.steps.0.kind", "dance"),
    "a step of another workflow": ("workflows.0.steps.0.workflow_id", "other"),
    "a payload with U+0000": ("workflows.0.steps.0.output", '"\x00"'),
    "a payload that is an object": ("workflows.0.steps.0.output", {"a": 1}),
    "an outcome of no kind": ("workflows.0.attempts.0.outcome", "fun"),
    "an event that is no JSON": ("workflows.0.events.0.value", "x y"),
    "a stream with a gap": ("workflows.0.stream_entries.1.offset", 2),
    "two entries at one place": ("workflows.0.stream_entries.1.offset", 0),
    "two messages with one key": ("workflows.0.messages.1.key", "k"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_document_with_a_fault_is_refused_and_nothing_is_stored(database, what):
    document = full()
    durable.delete_workflow("w")
    place, wrong = WRONG[what]
    *way, last = place.split(".")
    part: Any = document
    for name in way:
        part = part[int(name) if name.isdecimal() else name]
    if place:
        part[int(last) if last.isdecimal() else last] = wrong
    with pytest.raises(InvalidDocument, match=r"cannot be imported: .*Nothing was stored"):
        durable.import_workflow(document if place else wrong)
    assert not any(model.objects.exists() for model in TABLES)


def test_two_steps_of_one_number_and_two_workflows_of_one_id_are_refused(database):
    document = full()
    durable.delete_workflow("w")
    for table in ("steps", "step_attempts", "events"):
        twice = copy.deepcopy(document)
        twice["workflows"][0][table] *= 2
        with pytest.raises(InvalidDocument, match=f"{table}: two of them have the same"):
            durable.import_workflow(twice)
    document["workflows"] *= 2
    with pytest.raises(InvalidDocument, match="an id is there twice"):
        durable.import_workflow(document)


def test_a_payload_that_is_too_large_is_refused(database, settings):
    document = full()
    durable.delete_workflow("w")
    document["workflows"][0]["events"][0]["value"] = '"' + "x" * 3000 + '"'
    settings.DURABLE = {**settings.DURABLE, "MAX_PAYLOAD_BYTES": 2000}
    with pytest.raises(InvalidDocument, match=r"events\[0\].value: it has 3,002 bytes, and 2,000 are allowed"):
        durable.import_workflow(document)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=5,
)


def places(part: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    return [way, *(place for name, each in items for place in places(each, (*way, name)))]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_stands_anywhere_in_a_document_it_is_stored_whole_or_refused(database, data):
    document = full()
    durable.delete_workflow("w")
    way = data.draw(st.sampled_from([place for place in places(document) if place]))
    part: Any = document
    for name in way[:-1]:
        part = part[name]
    part[way[-1]] = data.draw(JSON)
    try:
        handle = durable.import_workflow(document)
    except DurableError:
        assert not any(model.objects.exists() for model in TABLES)
    else:
        json.dumps(durable.export_workflow(handle.workflow_id), allow_nan=False)
        durable.delete_workflow(handle.workflow_id)


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=st.recursive(TEXT | st.integers() | st.binary(max_size=5) | st.none(), st.lists, max_leaves=4), key=TEXT)
def test_an_export_is_json_and_comes_back_the_same(database, value, key):
    handle = app.total.using(attributes={key: 1}).start(value)
    Event.objects.create(workflow_id=handle.workflow_id, key=key, seq=1, value=json.dumps(key))
    document = through_json(durable.export_workflow(handle.workflow_id))
    before = stored(handle.workflow_id)
    durable.delete_workflow(handle.workflow_id)
    durable.import_workflow(document)
    after = stored(handle.workflow_id)
    for each in (before, after):
        for name in ANEW - {"id", "created_at"}:
            each["Workflow"][0].pop(name)
    assert after == before
    durable.delete_workflow(handle.workflow_id)


def test_inside_a_workflow_both_are_steps(executor):
    app.total.using(workflow_id="w").start(3).get_result(timeout=10)
    assert carries.start("w").get_result(timeout=10) == "w"
    assert durable.retrieve_workflow("w").get_result(timeout=5) == 3


def test_coroutines_carry_too(database):
    document = full()

    async def main() -> str:
        exported = await durable.aexport_workflow("w")
        await durable.adelete_workflow("w")
        return (await durable.aimport_workflow(exported)).workflow_id

    assert run_async(main()) == "w" and durable.export_workflow("w")["format"] == document["format"]
