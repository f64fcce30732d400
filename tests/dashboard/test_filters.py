"""Every way to narrow a list of workflows, as words, as an address and as rows."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.http import QueryDict
from django.utils import timezone

from durable.errors import InvalidOption
from durable.filters import CRITERIA, WorkflowFilter
from durable.models import Workflow
from durable.states import FINAL, PHASES, Status

from .crowd import ended, make_workflow

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
ATTRIBUTES = (
    ("region", "eu west"), ("vip", True), ("n", 3), ("text", "3"), ("none", None), ("a=b", 'x"='), ("e", ""),
    (" k ", " v "), ("nested", {"a": 1.5}), ("ü", "ä+&"),
)  # fmt: skip
FULL = WorkflowFilter(
    status=("ERROR", "SUCCESS"),
    phase=("failed", "sleeping"),
    name="shop.*",
    queue=("orders", "a b&c=d"),
    ids=("o-1", "ü/1"),
    id_prefix="order-",
    created_after=NOON,
    created_before=NOON + timedelta(hours=1, microseconds=5),
    executor="e-1",
    parent="p 1",
    version=("b20c44e", "v=2"),
    user="ann",
    application="shop",
    forked_from="o 0",
    schedule="nightly",
    dedup_id="d&1",
    error_type="CardDeclined",
    started_after=NOON,
    started_before=NOON + timedelta(hours=2),
    completed_after=NOON - timedelta(days=1),
    completed_before=NOON + timedelta(days=1),
    was_forked_from=False,
    is_fork=True,
    has_parent=True,
    queues_only=True,
    attributes=ATTRIBUTES,
)


def found(chosen: WorkflowFilter) -> set[str]:
    return set(chosen.apply(Workflow.objects.all()).values_list("pk", flat=True))


def read(query: str) -> WorkflowFilter:
    return WorkflowFilter.from_query(QueryDict(query))


def test_a_filter_survives_the_way_through_an_address():
    assert read(FULL.to_query()) == FULL
    assert read("") == WorkflowFilter()
    assert not WorkflowFilter()
    assert FULL


def test_that_filter_says_all_that_a_filter_can_say():
    assert [name for name in CRITERIA if getattr(FULL, name) in (None, ())] == []


def test_flags_attributes_and_several_values_are_read_from_an_address():
    chosen = read("is_fork=no&has_parent=TRUE&queues_only=1&name=a&name=b&name=a&attributes=region=eu&attribute=n=3")
    assert (chosen.is_fork, chosen.has_parent, chosen.queues_only, chosen.was_forked_from) == (False, True, True, None)
    assert chosen.name == ("a", "b")
    assert chosen.attributes == (("region", "eu"), ("n", 3))
    assert read("attributes=n=3&attributes=n=4").attributes == (("n", 4),)
    assert read('attributes="a%3Db"%3Dc').attributes == (("a=b", "c"),)


def test_the_search_box_knows_them_too():
    chosen = WorkflowFilter.parse('attribute:region=eu error:CardDeclined user:ann "attributes:x" is_fork:yes')
    assert chosen.attributes == (("region", "eu"),) and chosen.is_fork is True
    assert (chosen.error_type, chosen.user, chosen.id_prefix) == ("CardDeclined", "ann", "attributes:x")


def test_parameters_of_others_and_blank_ones_are_left_alone():
    assert read("page=3&status=&name=+&older=x") == WorkflowFilter()


def test_a_change_replaces_one_part_of_the_address():
    assert read(FULL.to_query(name=None, queue=("mail",))) == replace(FULL, name=None, queue=("mail",))


def test_a_length_of_time_counts_back_from_now_and_stays_one_in_links():
    chosen = read("created_after=24h")
    assert abs(timezone.now() - timedelta(hours=24) - chosen.created_after) < timedelta(seconds=5)
    assert chosen.to_query() == "created_after=24h"
    assert chosen.to_query(created_after=NOON) == "created_after=2026-11-20T12%3A00%3A00%2B00%3A00"
    assert chosen.to_query(created_after=None) == ""


@pytest.mark.parametrize("text", ["2026-11-20T12:00:00+00:00", "2026-11-20T12:00:00Z", "2026-11-20 12:00",
                                  "2026-11-20T13:00:00 01:00"])  # fmt: skip
def test_a_time_is_read_as_people_and_programs_write_it(text: str):
    query = QueryDict(mutable=True)
    query["created_before"] = text
    assert WorkflowFilter.from_query(query).created_before == NOON


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("status=ERORR", "did you mean ERROR"),
        ("status=fialed", "did you mean failed"),
        ("phase=xyz", "known are queued"),
        ("created_after=yesterday", "24h"),
        ("created_after=99999999d", "24h"),
        ("created_before=0001-01-01", "24h"),
        ("name=a%00b", "zero character"),
        ("q=stauts:failed", "did you mean status"),
        ("is_fork=perhaps", "true or false"),
        ("attributes=region", "key=value"),
        ("attributes==x", "key=value"),
        ("attributes=a=[1]", "an object of these"),
        ("attributes=a=" + "9" * 400, "an object of these"),
        ('attributes="a', "key=value"),
        ("started_before=soon", "24h"),
        ("q=" + "+".join(map(str, range(1001))), "at most 1,000"),
    ],
)
def test_a_bad_value_is_refused_with_a_hint(query: str, message: str):
    with pytest.raises(InvalidOption, match=message):
        read(query)


def test_a_program_that_wants_one_of_no_values_is_told_so_and_does_not_get_everything():
    for name in ("ids", "status", "name", "attributes"):
        with pytest.raises(InvalidOption, match="leave it out"):
            WorkflowFilter.of(**{name: []})
    assert WorkflowFilter.of(ids=None) == WorkflowFilter()


def test_the_search_box_speaks_a_small_language():
    chosen = WorkflowFilter.parse('status:failed STATUS:pending name:"shop.checkout" queue:orders since:7d order-88')
    assert (chosen.phase, chosen.status) == (("failed",), ("PENDING",))
    assert (chosen.name, chosen.queue, chosen.id_prefix) == ("shop.checkout", ("orders",), "order-88")
    assert dict(chosen.spelled) == {"created_after": "7d"}


def test_words_without_a_key_are_ids():
    assert WorkflowFilter.parse("tenant:7:order").id_prefix == "tenant:7:order"
    assert WorkflowFilter.parse("o-1 o-2 o-3").ids == ("o-1", "o-2", "o-3")
    assert WorkflowFilter.parse("   ") == WorkflowFilter()
    assert WorkflowFilter.parse('"').id_prefix is None


def test_a_status_is_known_by_any_of_its_names():
    for name in ("ERROR", "error", "Error"):
        assert read(f"status={name}").status == ("ERROR",)
    assert read("status=failed").phase == ("failed",)
    assert read("status=Awaits+message").phase == ("message",)
    assert read("status=ERROR,CANCELLED").status == ("ERROR", "CANCELLED")


def test_a_phase_finds_exactly_what_is_shown_in_that_phase(database: str):
    waits = ("sleep", "message:t", "message", "event:w/k", "child:c", "retry:s", "executor:n", "executor", "odd", None)
    for n, (status, executor, waiting) in enumerate(itertools.product(Status, ("e-1", None), waits)):
        if status in FINAL:
            make_workflow(f"w-{n}", **ended(status, executor=executor, waiting_for=waiting))
        else:
            make_workflow(f"w-{n}", status=status, executor=executor, waiting_for=waiting)
    everyone = list(Workflow.objects.all())
    for key in PHASES:
        assert found(WorkflowFilter(phase=(key,))) == {w.pk for w in everyone if w.phase.key == key}, key
    assert sum(len(found(WorkflowFilter(phase=(key,)))) for key in PHASES) == len(everyone)
    assert found(WorkflowFilter(phase=tuple(PHASES))) == {w.pk for w in everyone}


def test_status_and_phase_widen_each_other_and_other_parts_narrow(database: str):
    make_workflow("queued-1")
    make_workflow("queued-2", queue="imports")
    make_workflow("queued-3", queue="nobody")
    make_workflow("running-1", status="PENDING", executor="id-worker-1")
    make_workflow("success-1", **ended("SUCCESS"))
    make_workflow("failed-1", **ended("ERROR"))
    make_workflow("dead-1", **ended(Status.DEAD))
    assert found(WorkflowFilter(status=("SUCCESS",), phase=("failed",))) == {"success-1", "failed-1"}
    assert found(WorkflowFilter(status=("SUCCESS",), queue=("mail",))) == set()
    assert found(WorkflowFilter(queue=("imports", "nobody"))) == {"queued-2", "queued-3"}
    assert found(WorkflowFilter(ids=("queued-1", "dead-1", "nothing"))) == {"queued-1", "dead-1"}
    assert found(WorkflowFilter(executor="id-worker-1")) == {"running-1"}


def test_names_and_ids_are_found_by_their_beginning_letter_by_letter(database: str):
    for pk in ("Order-1", "order-1", "order-10", "order_1", "order%1", "orde"):
        make_workflow(pk, name=pk)
    assert found(WorkflowFilter(id_prefix="order-1")) == {"order-1", "order-10"}
    assert found(WorkflowFilter(id_prefix="order%")) == {"order%1"}
    assert found(WorkflowFilter(name="order-1")) == {"order-1"}
    assert found(WorkflowFilter(name="order*")) == {"order-1", "order-10", "order_1", "order%1"}


def test_times_include_their_beginning_and_not_their_end(database: str):
    for minute in range(4):
        make_workflow(f"m-{minute}", created_at=NOON + timedelta(minutes=minute))
    between = WorkflowFilter(created_after=NOON + timedelta(minutes=1), created_before=NOON + timedelta(minutes=3))
    assert found(between) == {"m-1", "m-2"}
