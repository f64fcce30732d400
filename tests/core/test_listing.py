"""Looking at workflows and their steps: which are found, what is read of them, and what a workflow records of it."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

import durable
from durable.errors import InvalidOption, RecordedError, WorkflowNotFound
from durable.filters import CRITERIA, WorkflowFilter
from durable.models import INTERNAL_QUEUE, Step, Workflow
from tests.app import workflows as app
from tests.dashboard.crowd import ended, failed, make_workflow, parked
from tests.support import run_async

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def at(minute: float) -> datetime:
    return NOON + timedelta(minutes=minute)


def ids(**criteria) -> list[str]:
    return [row.pk for row in durable.list_workflows(**criteria)]


@pytest.fixture
def crowd(database):
    make_workflow("a", created_at=at(0), name="shop.buy", authenticated_user="ann", attributes={"region": "eu", "n": 1})
    make_workflow("b", created_at=at(1), name="shop.sell", queue="mail", dedup_id="d-1", version="v1", priority=3)
    make_workflow("c", created_at=at(2), queue=INTERNAL_QUEUE, parent="a", application="other",
                  **parked("sleep"))  # fmt: skip
    times = {"started_at": at(5), "completed_at": at(9)}
    make_workflow("d", created_at=at(3), forked_from="a", executor="e-1", **{**ended("SUCCESS"), **times})
    make_workflow("e", created_at=at(4), schedule="nightly", was_forked_from=True, **failed("CardDeclined", "no"))


@pytest.mark.parametrize(
    ("criteria", "found"),
    [
        ({}, "abcde"),
        ({"sort_desc": True}, "edcba"),
        ({"limit": 2}, "ab"),
        ({"limit": 2, "offset": 1}, "bc"),
        ({"offset": 4}, "e"),
        ({"limit": 0}, ""),
        ({"limit": 2, "sort_desc": True, "offset": 1}, "dc"),
        ({"ids": ["a", "e", "nobody"]}, "ae"),
        ({"ids": "c"}, "c"),
        ({"ids": []}, ""),
        ({"name": []}, ""),
        ({"id_prefix": "b"}, "b"),
        ({"id_prefix": ["b", "e"]}, "be"),
        ({"status": "SUCCESS"}, "d"),
        ({"status": ["SUCCESS", "error"]}, "de"),
        ({"status": None, "name": None}, "abcde"),
        ({"phase": "sleeping"}, "c"),
        ({"name": "shop.buy"}, "a"),
        ({"name": ["shop.buy", "shop.s*"]}, "ab"),
        ({"queue": "mail"}, "b"),
        ({"queues_only": True}, "abde"),
        ({"queues_only": False}, "abcde"),
        ({"executor": "e-1"}, "d"),
        ({"version": ["v1", "v2"]}, "b"),
        ({"user": "ann"}, "a"),
        ({"application": "other"}, "c"),
        ({"parent": "a"}, "c"),
        ({"has_parent": True}, "c"),
        ({"has_parent": False}, "abde"),
        ({"forked_from": "a"}, "d"),
        ({"is_fork": True}, "d"),
        ({"is_fork": False}, "abce"),
        ({"was_forked_from": True}, "e"),
        ({"was_forked_from": False}, "abcd"),
        ({"schedule": "nightly"}, "e"),
        ({"dedup_id": "d-1"}, "b"),
        ({"error_type": "CardDeclined"}, "e"),
        ({"created_after": at(1), "created_before": at(3)}, "bc"),
        ({"created_after": "2026-11-20T13:01:00+01:00", "created_before": "2026-11-20T12:03:00Z"}, "bc"),
        ({"started_after": at(5), "started_before": at(5.1)}, "d"),
        ({"completed_after": at(9.1), "completed_before": at(10)}, ""),
        ({"completed_after": at(9), "completed_before": at(9.1)}, "d"),
        ({"attributes": {"region": "eu"}}, "a"),
        ({"attributes": {"region": "eu", "n": 2}}, ""),
    ],
)
def test_each_criterion_narrows_and_order_and_page_are_as_asked(crowd, criteria, found):
    assert ids(**criteria) == list(found)


def test_every_criterion_of_the_filter_is_one_of_the_list(database):
    values = {name: ("SUCCESS" if name == "status" else "queued" if name == "phase" else "x") for name in CRITERIA}
    values |= {name: NOON for name in CRITERIA if name.endswith(("_after", "_before"))}
    values |= dict.fromkeys(("was_forked_from", "is_fork", "has_parent", "queues_only"), True)
    values["attributes"] = {"x": 1}
    assert ids(**values) == []
    for name, value in values.items():
        assert WorkflowFilter.of(**{name: value}), name


@pytest.mark.parametrize(
    ("criteria", "says"),
    [
        ({"quue": "a"}, "did you mean queue"),
        ({"limt": 3}, "did you mean limit"),
        ({"created": NOON}, "did you mean created_"),
        ({"zzzzzzzz": 1}, "known are status"),
        ({"status": "ERORR"}, "did you mean ERROR"),
        ({"name": ""}, "not blank"),
        ({"name": 7}, "give text"),
        ({"name": "a\0"}, "zero character"),
        ({"name": "\ud800"}, "not valid Unicode"),
        ({"limit": -1}, "not negative"),
        ({"limit": True}, "not negative"),
        ({"offset": "1"}, "not negative"),
        ({"limit": 2**70}, "not negative"),
        ({"created_after": "yesterday"}, "24h"),
        ({"created_after": 5}, "24h"),
        ({"is_fork": "perhaps"}, "true or false"),
        ({"is_fork": 1}, "true or false"),
        ({"attributes": {"a": [1]}}, "an object of these"),
        ({"attributes": {"a": float("nan")}}, "finite"),
        ({"attributes": {"a": {"b": object()}}}, "an object of these"),
        ({"attributes": {'a"b': 1}}, "quotation mark"),
        ({"attributes": {5: 1}}, "key=value"),
        ({"attributes": {"a": "\0"}}, "zero character"),
        ({"ids": [str(n) for n in range(1001)]}, "at most 1,000"),
    ],
)
def test_what_is_no_criterion_is_refused_with_a_hint(database, criteria, says):
    with pytest.raises(InvalidOption, match=says):
        durable.list_workflows(**criteria)


ATTRIBUTES = {
    "text": "eu", "one": 1, "float": 2.5, "whole": 3.0, "yes": True, "no": False, "nothing": None, "digits": "1",
    "ü": 'Ä "quoted" \\ \U0001f600\n', "a.b": "dot", "0": "zero", "": "empty", "inner": {"a": {"b": 1}, "c": "x"},
    "big": 2**70, "list": [1, 2], "object": {},
}  # fmt: skip
LOOKUPS = [
    *(({key: value}, True) for key, value in ATTRIBUTES.items() if key not in ("", "list")),
    ({"one": 1.0}, True), ({"whole": 3}, True), ({"inner": {"a": {"b": 1}}}, True), ({"inner": {"c": "x"}}, True),
    ({"inner": {}}, True), ({"text": "eu", "one": 1}, True),
    ({"one": "1"}, False), ({"digits": 1}, False), ({"one": True}, False), ({"yes": 1}, False),
    ({"yes": "true"}, False), ({"nothing": False}, False), ({"missing": None}, False), ({"text": None}, False),
    ({"no": None}, False), ({"inner": {"a": {"b": 2}}}, False), ({"inner": {"a": {}, "z": 1}}, False),
    ({"object": {"a": 1}}, False), ({"text": {}}, False), ({"list": {}}, False), ({"text": "EU"}, False),
    ({"text": "e%"}, False), ({"a": "dot"}, False), ({"big": 2**70 + 2**60}, False), ({"object": "{}"}, False),
]  # fmt: skip


@pytest.mark.parametrize(("wanted", "is_found"), LOOKUPS)
def test_attributes_are_looked_up_alike_on_both_databases(database, wanted, is_found):
    make_workflow("other")
    make_workflow("with", attributes=ATTRIBUTES)
    assert ids(attributes=wanted) == (["with"] if is_found else [])
    in_an_address = WorkflowFilter.from_pairs(WorkflowFilter.of(attributes=wanted).pairs())
    assert set(in_an_address.apply(Workflow.objects.all()).values_list("pk", flat=True)) == set(ids(attributes=wanted))


def test_attributes_that_a_start_sets_are_found(database):
    app.total.using(workflow_id="w", attributes={"ü": "ä", "n": 1}).start(1)
    assert ids(attributes={"ü": "ä"}) == ids(attributes={"n": 1}) == ["w"]


@pytest.mark.parametrize(
    ("criteria", "index"),
    [
        ({"schedule": "s"}, "workflow_schedule"), ({"forked_from": ["a", "b"]}, "workflow_fork"),
        ({"parent": "p"}, "workflow_parent"), ({"error_type": "E"}, "workflow_error"),
        ({"completed_before": NOON}, "workflow_created"), ({"started_before": NOON}, "workflow_created"),
        ({"name": ["a", "b"]}, "workflow_name"), ({"queue": "q"}, "workflow_queue"),
    ],
)  # fmt: skip
def test_a_criterion_is_answered_by_its_index(database, criteria, index):
    """The planner decides when tables grow; what can be seen here is that the condition fits the index."""
    rows = WorkflowFilter.of(**criteria).apply(Workflow.objects.all()).order_by()
    with connection.cursor() as cursor:
        if database == "postgresql":
            cursor.execute("set enable_seqscan = off")
        try:
            assert index in rows.explain()
        finally:
            if database == "postgresql":
                cursor.execute("reset enable_seqscan")


def test_queued_are_those_that_have_not_ended_and_have_a_real_queue(crowd):
    make_workflow("f", created_at=at(5), status="DELAYED", run_after=None, wake_at=at(60))

    def queued(**criteria):
        return [row.pk for row in durable.list_queued_workflows(**criteria)]

    assert queued() == ["a", "b", "f"]
    assert queued(status="DELAYED") == ["f"]
    assert queued(status=[]) == []
    assert queued(queue="mail", limit=5) == ["b"]
    with pytest.raises(InvalidOption, match="DELAYED, ENQUEUED, PENDING"):
        queued(status="SUCCESS")


def test_a_row_gives_its_payloads_as_values(executor):
    assert app.total.using(workflow_id="w").start(3).get_result(timeout=10) == 3
    with pytest.raises(ValueError):
        app.fails.using(workflow_id="f").start("broken").get_result(timeout=10)
    row = durable.get_workflow("w")
    assert (row.load_input(), row.load_output(), row.load_error()) == ({"args": [3], "kwargs": {}}, 3, None)
    error = durable.get_workflow("f").load_error()
    assert isinstance(error, ValueError) and str(error) == "broken"
    steps = durable.list_workflow_steps("w")
    assert [(step.seq, step.name, step.load_output(), step.load_error()) for step in steps] == [
        (1, "add", 0, None), (2, "add", 1, None), (3, "add", 3, None)
    ]  # fmt: skip
    assert Step.objects.get(workflow_id="w", seq=2).load_output() == 1


def test_steps_are_paged_and_an_unknown_workflow_is_an_error(executor):
    app.total.using(workflow_id="w").start(5).get_result(timeout=10)
    assert [step.seq for step in durable.list_workflow_steps("w", limit=2, offset=1)] == [2, 3]
    assert durable.list_workflow_steps("w", offset=9) == []
    app.total.using(workflow_id="waits", queue="nobody").start(1)
    assert durable.list_workflow_steps("waits") == []
    for look in (durable.list_workflow_steps, durable.get_workflow):
        with pytest.raises(WorkflowNotFound, match="nobody"):
            look("nobody")


def test_what_cannot_be_decoded_is_given_as_it_is_stored(database, caplog):
    """A listing is for people in trouble: it does not fail over one bad row."""
    rows = {
        "unknown-tag": {"output": '{"$":"gone","v":1}'}, "damaged": {"output": "{"},
        "foreign": {"output": "x", "serialization": "nobody.has.this"},
        "pickle": {"output": "x", "serialization": "pickle"}, "no-error": {"error": "{"},
    }  # fmt: skip
    for pk, columns in rows.items():
        make_workflow(pk, **ended("SUCCESS", input="[", **columns))
        Step.objects.create(workflow_id=pk, seq=1, name="s", epoch=1, started_at=NOON, completed_at=NOON, **{
            key: text for key, text in columns.items() if key != "serialization"
        })  # fmt: skip
    with caplog.at_level(logging.WARNING, "durable"):
        for row in durable.list_workflows():
            assert row.load_output() == rows[row.pk].get("output")
            assert row.load_input() == "["
            [step] = durable.list_workflow_steps(row.pk)
            assert step.load_output() == rows[row.pk].get("output")
    assert "the output of workflow 'unknown-tag' cannot be decoded" in caplog.text
    assert "the output of step 1 of 'damaged' cannot be decoded" in caplog.text
    assert isinstance(durable.get_workflow("no-error").load_error(), RecordedError)
    assert isinstance(durable.list_workflow_steps("no-error")[0].load_error(), RecordedError)


def test_payloads_are_left_in_the_database_until_they_are_wanted(executor):
    app.total.using(workflow_id="w").start(2).get_result(timeout=10)

    def asked(**loads):
        with CaptureQueriesContext(connection) as queries:
            [row] = durable.list_workflows(ids="w", **loads)
        return [column for column in ("input", "output", "error") if f'"{column}"' in queries[-1]["sql"]], row

    assert asked() == (["input", "output", "error"], durable.get_workflow("w"))
    assert asked(load_input=False)[0] == ["output", "error"]
    columns, row = asked(load_input=False, load_output=False)
    assert columns == [] and row.load_input() == {"args": [2], "kwargs": {}}
    [first, *_] = durable.list_workflow_steps("w", load_output=False)
    assert first.get_deferred_fields() == {"output", "error"} and first.load_output() == 0


@durable.workflow()
def looks_around(wanted: str) -> list:
    found = durable.list_workflows(ids=wanted, load_output=False)
    queued = durable.list_queued_workflows(queue="nobody")
    steps = durable.list_workflow_steps(wanted)
    row = durable.get_workflow(wanted)
    app.note("looked")
    return [
        [each.status for each in found], found[0].load_input(), found[0].created_at == row.created_at, len(queued),
        [step.load_output() for step in steps], row.load_output(), row.attributes, row._state.adding,
    ]  # fmt: skip


@durable.workflow()
async def alooks_around(wanted: str) -> list:
    [found] = await durable.alist_workflows(ids=wanted)
    steps = await durable.alist_workflow_steps(wanted)
    return [found.load_output(), [step.load_output() for step in steps], (await durable.aget_workflow(wanted)).pk]


@durable.workflow()
def looks_for_nobody() -> str:
    try:
        durable.get_workflow("nobody")
    except WorkflowNotFound as error:
        return str(error)
    return "found"


def test_what_a_workflow_sees_is_recorded_and_seen_again_in_a_replay(executor):
    app.total.using(workflow_id="w", attributes={"a": [1]}).start(2).get_result(timeout=10)
    seen = [["SUCCESS"], {"args": [2], "kwargs": {}}, True, 0, [0, 1], 1, {"a": [1]}, False]
    assert looks_around.using(workflow_id="l").start("w").get_result(timeout=10) == seen
    steps = durable.list_workflow_steps("l")
    assert [(step.name, step.kind) for step in steps] == [
        ("list_workflows", "manage"), ("list_queued_workflows", "manage"), ("list_workflow_steps", "manage"),
        ("get_workflow", "manage"), ("note", "step"),
    ]  # fmt: skip
    Workflow.objects.filter(pk="w").delete()
    app.total.using(workflow_id="w", queue="nobody").start(7)
    replayed = durable.fork_workflow("l", 5)
    assert replayed.get_result(timeout=10) == seen


def test_coroutines_look_in_the_same_way(executor):
    app.total.using(workflow_id="w").start(2).get_result(timeout=10)
    assert alooks_around.start("w").get_result(timeout=10) == [1, [0, 1], "w"]
    assert looks_for_nobody.start().get_result(timeout=10).startswith("There is no workflow with the id 'nobody'")

    async def look():
        [row] = await durable.alist_workflows(ids="w")
        queued = await durable.alist_queued_workflows()
        return row.load_output(), queued, [step.seq for step in await durable.alist_workflow_steps("w", limit=1)]

    assert run_async(look()) == (1, [], [1])


def test_a_registered_class_comes_back_as_itself(executor, registered):
    class Point:
        def __init__(self, x: int):
            self.x = x

    registered("point", Point, lambda point: point.x, Point)
    handle = echoes.using(workflow_id="p").start(Point(3))
    assert handle.get_result(timeout=10).x == durable.get_workflow("p").load_output().x == 3
    assert durable.get_workflow("p").load_input()["args"][0].x == 3


@durable.workflow()
def echoes(value):
    return value
