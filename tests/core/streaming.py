"""Workflows that write and read streams, and what is stored of them."""

from __future__ import annotations

import json
import threading
from typing import Any

from django.db import connection

import durable
from durable.models import StreamEntry


@durable.workflow(name="streams.counts")
def counts(n: int, close: bool = True) -> int:
    for i in range(n):
        durable.write_stream("numbers", i)
    if close:
        durable.close_stream("numbers")
    return n


@durable.workflow(name="streams.acounts")
async def acounts(n: int) -> int:
    for i in range(n):
        await durable.awrite_stream("numbers", i)
    await durable.aclose_stream("numbers")
    return n


@durable.workflow(name="streams.on_demand")
def on_demand(key: str = "numbers") -> str:
    """Writes what it is sent; None ends it, without a close."""
    while (value := durable.recv("write", 600)) is not None:
        durable.write_stream(key, value)
    return "done"


@durable.workflow(name="streams.reads")
def reads(workflow_id: str, key: str = "numbers", offset: int = 0, timeout: float | None = None) -> list[Any]:
    return list(durable.read_stream(workflow_id, key, offset=offset, timeout_seconds=timeout))


@durable.workflow(name="streams.areads")
async def areads(workflow_id: str, key: str = "numbers", offset: int = 0, timeout: float | None = None) -> list[Any]:
    return [value async for value in durable.aread_stream(workflow_id, key, offset=offset, timeout_seconds=timeout)]


@durable.step(name="streams.reads_all")
def reads_all(workflow_id: str) -> list[Any]:
    return list(durable.read_stream(workflow_id, "numbers"))


@durable.workflow(name="streams.reads_in_a_step")
def reads_in_a_step(workflow_id: str) -> list[Any]:
    return reads_all(workflow_id)


def offsets(workflow_id: str, key: str = "numbers") -> list[int]:
    return list(StreamEntry.objects.filter(workflow_id=workflow_id, key=key).values_list("offset", flat=True))


def stored(workflow_id: str, key: str = "numbers") -> list[Any]:
    """What the table holds, in order; the entry that closes it as "closed"."""
    texts = StreamEntry.objects.filter(workflow_id=workflow_id, key=key).values_list("value", flat=True)
    return ["closed" if text is None else json.loads(text) for text in texts]


def following(workflow_id: str) -> tuple[threading.Thread, list[Any]]:
    """A thread that reads all of a stream, and what it has read."""
    got: list[Any] = []

    def follow() -> None:
        for value in durable.read_stream(workflow_id, "numbers"):
            got.append(value)
        connection.close()

    thread = threading.Thread(target=follow)
    thread.start()
    return thread, got


async def every(workflow_id: str, key: str = "numbers", **options: Any) -> list[Any]:
    return [value async for value in durable.aread_stream(workflow_id, key, **options)]
