"""A wait that is woken for nothing leaves memory when it would have without."""

from __future__ import annotations

import pytest

import durable
from durable.executor.hub import hub
from durable.models import Workflow
from tests.app.models import Effect
from tests.support import wait_until

PATIENCE = 0.5


@durable.workflow(name="woken.listens")
def listens():
    return durable.recv("never", 600)


@durable.workflow(name="woken.alistens")
async def alistens():
    return await durable.arecv("never", 600)


def announce(handle) -> None:
    hub().announce({f"w:{handle.workflow_id}"})


def commit(handle) -> None:
    """On SQLite any commit wakes all who wait, because nobody knows what it changed."""
    Effect.objects.create(key="of something else")


@pytest.mark.parametrize("workflow", [listens, alistens], ids=["thread", "coroutine"])
@pytest.mark.parametrize("noise", [announce, commit])
def test_a_wait_parks_in_time_however_often_it_is_woken_for_nothing(
    database, settings, monkeypatch, request, workflow, noise
):
    if noise is commit and database != "sqlite":
        pytest.skip("PostgreSQL says what changed")
    settings.DURABLE = {**settings.DURABLE, "PARK_AFTER_SECONDS": PATIENCE}
    executor = request.getfixturevalue("executor")
    looks, ask = [], executor.readers.ask
    monkeypatch.setattr(executor.readers, "ask", lambda question: looks.append(question) or ask(question))
    handle = workflow.start()

    def is_parked() -> bool:
        noise(handle)
        row = Workflow.objects.get(pk=handle.workflow_id)
        return row.waiting_for == "message:never" and row.executor is None

    wait_until(is_parked, 10, "it parks")
    wait_until(lambda: not executor.running)
    assert len(looks) >= 3, "it was not woken; nothing was tested"
    durable.send(handle.workflow_id, "heard", "never")
    assert handle.get_result(timeout=10) == "heard"
