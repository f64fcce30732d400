"""Workflows whose code is another in each version, for the fixture `deploy`."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import durable
from durable.models import Workflow
from tests.app.models import Effect
from tests.support import wait_until

code = SimpleNamespace(now="v1")
"""What the deployed source says: workflows below do other things in "v2"."""

gate = threading.Event()


def row(workflow_id: str) -> Workflow:
    return Workflow.objects.get(pk=workflow_id)


def waits_for(handle, reason: str):
    wait_until(lambda: (row(handle.workflow_id).waiting_for or "").startswith(reason), 10, f"it waits for {reason}")


def effects() -> list[str]:
    return list(Effect.objects.order_by("pk").values_list("key", flat=True))


@durable.step(name="versions.does")
def does(key):
    Effect.objects.create(key=key)
    return key


@durable.step(name="versions.does_another")
def does_another(key):
    Effect.objects.create(key=key)
    return key


@durable.step(name="versions.adoes")
async def adoes(key):
    await Effect.objects.acreate(key=key)
    return key


@durable.step(name="versions.holds")
def holds():
    Effect.objects.create(key="held")
    assert gate.wait(20)
