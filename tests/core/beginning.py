"""Workflows that tests begin, in all the ways in which that is done."""

from __future__ import annotations

import durable
from durable.models import Workflow
from tests.app.models import Effect


@durable.step(name="blocks.notes")
def notes(key):
    Effect.objects.create(key=key)
    return key


@durable.workflow(name="blocks.echo")
def echo(value=None):
    return value


@durable.workflow(name="blocks.aecho")
async def aecho(value=None):
    return value


@durable.workflow(name="blocks.noting")
def noting(key):
    return notes(key)


def row(workflow_id: str) -> Workflow:
    return Workflow.objects.get(pk=workflow_id)


def begin(workflow, *args, way="start") -> str:
    """Start or call a workflow in one of the ways in which that is done; its id."""
    if way == "start":
        return workflow.start(*args).workflow_id
    if way == "call":
        before = set(Workflow.objects.values_list("id", flat=True))
        workflow(*args)
        [new] = Workflow.objects.exclude(id__in=before)
        return new.id
    if way == "enqueue":
        return durable.Queue("blocks").enqueue(workflow, *args).workflow_id
    if way == "by name":
        return durable.start_by_name(workflow.name, args).workflow_id
    raise NotImplementedError(way)


async def abegin(workflow, *args, way="start") -> str:
    if way == "start":
        return (await workflow.astart(*args)).workflow_id
    if way == "call":
        before = {each async for each in Workflow.objects.values_list("id", flat=True)}
        await workflow(*args)
        [new] = [each async for each in Workflow.objects.exclude(id__in=before)]
        return new.id
    return (await durable.Queue("blocks").aenqueue(workflow, *args)).workflow_id
