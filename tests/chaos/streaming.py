"""Workflows that stream from one process to another."""

from __future__ import annotations

from typing import Any

import durable
from tests.app.workflows import note

lines = durable.Queue("chaos-lines", partition_queue=True, concurrency=1)


@durable.workflow(name="streaming.tells")
def tells(n: int) -> str:
    """Writes what it is sent, `n` times, from its own code and from a step."""
    for i in range(n):
        value = durable.recv("tell", 60)
        durable.write_stream("told", value)
        repeats(value)
        note(f"told {i}")
    durable.close_stream("told")
    return "told"


@durable.step(name="streaming.repeats")
def repeats(value: Any) -> None:
    durable.write_stream("told", [value, "again"])


@durable.workflow(name="streaming.listens")
def listens(workflow_id: str) -> list[Any]:
    return list(durable.read_stream(workflow_id, "told"))


@durable.workflow(name="streaming.alistens")
async def alistens(workflow_id: str) -> list[Any]:
    return [value async for value in durable.aread_stream(workflow_id, "told")]


@durable.workflow(name="streaming.waits_in_line")
def waits_in_line(key: str, n: int) -> int:
    note(f"{key} {n} in")
    durable.recv("go", 60)
    note(f"{key} {n} out")
    return n
