"""The answer to a commit can be lost: what was written is not taken for somebody else's when it is written again."""

from __future__ import annotations

import pytest
from django.db import OperationalError

import durable
from durable.backends.writing import is_choosy
from durable.errors import QueueDeduplicated, WorkflowIdInUse
from durable.executor import recorder
from durable.models import Step


@durable.workflow(name="lost_answers.child")
def child():
    return "done"


@durable.workflow(name="lost_answers.parent")
def parent(options):
    try:
        return child.using(**options).start().get_result()
    except (WorkflowIdInUse, QueueDeduplicated) as error:
        return type(error).__name__


@pytest.mark.parametrize(
    "options",
    [{"workflow_id": "only-mine", "id_policy": "reject"}, {"queue": "lost_answers", "dedup_id": "only-mine"}],
    ids=["id", "deduplication id"],
)
def test_a_parent_does_not_take_its_own_child_for_anothers(executor, monkeypatch, options):
    durable.register_queue("lost_answers")
    lost, write = [], recorder.write

    def loses_an_answer(engine, session, entries):
        written = write(engine, session, entries)
        if not lost and any(is_choosy(entry) for entry in entries):
            lost.append(entries)
            raise OperationalError("the connection is closed")
        return written

    monkeypatch.setattr(recorder, "write", loses_an_answer)
    handle = parent.start(options)
    assert handle.get_result(timeout=10) == "done"
    assert lost
    recorded = Step.objects.filter(workflow_id=handle.workflow_id, kind="child").values_list("error", flat=True)
    assert list(recorded) == [None]
