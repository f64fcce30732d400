"""What the database does for the hot statements: probes of indexes, however large the tables have grown."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection

from durable.backends.backend import backend
from durable.models import Attempt, Event, Message, Step, StreamEntry, Workflow
from durable.models.fields import Now

EFFECT = {"w": "w-1", "k": "k", "t": "t", "o": "1", "n": 0, "d": "k", "pw": "w-1", "ps": 1, "pe": 1, "e": 1}
WAITS = [{**EFFECT, "k": kind} for kind in ("message", "event", "stream", "child")]

STATEMENTS = {
    "deliver": {"messages": [EFFECT]},
    "consume": {"consumed": [EFFECT | {"m": 1}]},
    "publish": {"events": [EFFECT]},
    "append": {"entries": [EFFECT]},
    "wait": {"waits": WAITS},
    "come_true": {"waits": WAITS},
    "attempts": {"attempts": [EFFECT]},
}


def explain(name: str, params: dict[str, Any]) -> str:
    texts = {key: json.dumps(value) for key, value in params.items()}
    with connection.cursor() as cursor:
        cursor.execute(f"explain {getattr(backend().sql, name)}", {**texts, "now": 0})
        return "\n".join(row[0] for row in cursor.fetchall())


@pytest.fixture
def grown(database) -> None:
    """Tables that have grown since the database last counted them."""
    if database == "sqlite":
        pytest.skip("SQLite has one plan, and takes the index")
    ids = [f"w-{n}" for n in range(1500)]
    Workflow.objects.bulk_create([Workflow(id=each, name="w") for each in ids], batch_size=500)
    times = {"started_at": Now(), "completed_at": Now()}
    Step.objects.bulk_create(Step(workflow_id=each, seq=1, name="s", kind="step", epoch=1, **times) for each in ids)
    Attempt.objects.bulk_create(Attempt(workflow_id=each, epoch=1, outcome="lost", ended_at=Now()) for each in ids)
    Event.objects.bulk_create(Event(workflow_id=each, key="k", seq=1, value="1") for each in ids)
    StreamEntry.objects.bulk_create(StreamEntry(workflow_id=each, key="k", offset=0, seq=1, value="1") for each in ids)
    Message.objects.bulk_create(Message(workflow_id=each, topic="t", key="k", body="1") for each in ids)


@pytest.mark.parametrize("name", STATEMENTS)
def test_no_statement_of_a_run_reads_a_whole_table(grown, name):
    plan = explain(name, STATEMENTS[name])
    assert "Seq Scan" not in plan and "hashed" not in plan, plan
