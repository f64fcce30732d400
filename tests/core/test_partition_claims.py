"""Claims on queues of thousands of partitions, most of them full, and rows that somebody has locked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, transaction

from durable.backends.backend import Abilities, backend
from durable.backends.lines import Line
from durable.backends.writing import apply
from durable.engine.commands import NewWorkflow
from durable.models import Executor, Queue, Workflow
from tests.app import workflows as app


@pytest.fixture
def claims(database) -> Iterator[Any]:
    """Claims as an executor would: `claims(line, room)` gives the ids of what it got."""
    Executor.objects.create(id="me", label="me", pid=1, lease_until="2999-01-01T00:00:00Z")
    session = backend().own(claims=True)
    can = Abilities(("total",), (app.total.version,))
    yield lambda line, room: [each.id for each in backend().claim_limited(session, "me", line, room, can)]
    session.close()


def fill(queue: str, keys: Any, version: str = app.total.version) -> None:
    new = [
        NewWorkflow(f"{queue}-{key}-{n}", "total", "{}", queue, partition_key=key, version=version)
        for n, key in enumerate(keys)
    ]
    apply(backend(), backend().borrowed(), new)


def keys_of(ids: list[str]) -> list[str]:
    found = dict(Workflow.objects.filter(pk__in=ids).values_list("id", "partition_key"))
    return [found[each] for each in ids]


def finish(ids: list[str]) -> None:
    Workflow.objects.filter(pk__in=ids).update(status="SUCCESS", run_after=None, admitted=None)


def test_two_thousand_partitions_all_get_their_turn(claims):
    Queue.objects.create(name="wide", partitioned=True, partition_concurrency=1)
    names = [f"p{n:04}" for n in range(2000)]
    fill("wide", names * 2)
    line, served = Line("wide"), Counter[str]()
    for _ in range(10):
        ids = claims(line, 200)
        served.update(keys_of(ids))
        finish(ids)
    assert len(served) == 2000 and set(served.values()) == {1}  # nobody twice before everybody once
    assert len(claims(line, 100)) == 100


def test_full_partitions_hide_no_free_one_however_many_they_are(claims):
    Queue.objects.create(name="wide", partitioned=True, partition_concurrency=1)
    names = [f"p{n:04}" for n in range(2500)]
    fill("wide", names * 2)
    held = [f"wide-{key}-{n}" for n, key in enumerate(names) if key not in ("p1111", "p2499")]
    Workflow.objects.filter(pk__in=held).update(status="PENDING", admitted="wide", executor="me")
    line, got = Line("wide"), []
    for _ in range(3):
        got += keys_of(claims(line, 10))
    assert sorted(got) == ["p1111", "p2499"]


def test_what_one_partition_cannot_use_goes_to_the_others_in_the_same_claim(claims):
    """Rows of a version that this executor has not: their partition wants a share and can use none of it."""
    Queue.objects.create(name="mixed", partitioned=True)
    fill("mixed", ["a", "b"], version="another")
    fill("mixed", ["c", "d", "e"])
    assert keys_of(claims(Line("mixed"), 2)) == ["c", "d"]
    assert keys_of(claims(Line("mixed"), 2)) == ["e"]


def test_nobody_overtakes_a_row_that_is_locked_at_the_moment(claims):
    """Somebody holds the lock of the second row for a moment while an executor claims."""
    if connection.vendor == "sqlite":
        pytest.skip("SQLite locks no rows")
    Queue.objects.create(name="in-order", concurrency=3)
    Queue.objects.create(name="by-key", partitioned=True)
    fill("in-order", [None, None, None])
    fill("by-key", ["a", "b", "a"])
    other = backend().own()
    with other.transaction():
        other.run("select 1 from durable_workflow where id = any(%(ids)s) for no key update",
                  {"ids": ["in-order-None-1", "by-key-a-0"]})  # fmt: skip
        assert claims(Line("in-order"), 3) == ["in-order-None-0"]
        assert keys_of(claims(Line("by-key"), 3)) == ["b"]
    other.close()
    assert sorted(claims(Line("in-order"), 3)) == ["in-order-None-1", "in-order-None-2"]
    assert claims(Line("by-key"), 3) == ["by-key-a-0", "by-key-a-2"]


def test_a_claim_while_another_holds_the_queue_takes_nothing_and_does_not_wait(claims):
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one lock for all")
    Queue.objects.create(name="busy", concurrency=5)
    fill("busy", [None])
    with transaction.atomic():
        Queue.objects.select_for_update().get(name="busy")
        assert claims(Line("busy"), 5) == []
    assert len(claims(Line("busy"), 5)) == 1
