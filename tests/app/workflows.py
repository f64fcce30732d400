"""The workflows that tests run, also in processes of their own."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from django.db import connections

import durable

from .models import Effect


@durable.step()
def note(key: str, detail: str = "") -> str:
    """A side effect that can be counted."""
    Effect.objects.create(key=key, detail=detail)
    return key


@durable.step()
async def anote(key: str) -> str:
    await Effect.objects.acreate(key=key)
    return key


@durable.transaction()
def book(key: str, fail: bool = False) -> str:
    Effect.objects.create(key=key)
    if fail:
        raise ValueError(f"{key} cannot be booked")
    return key


@durable.step()
def add(a: int, b: int) -> int:
    return a + b


@durable.step()
async def aadd(a: int, b: int) -> int:
    await asyncio.sleep(0.001)
    return a + b


@durable.workflow()
def total(n: int) -> int:
    result = 0
    for i in range(n):
        result = add(result, i)
    return result


@durable.workflow()
async def atotal(n: int) -> int:
    return sum(await asyncio.gather(*[aadd(i, 0) for i in range(n)]))


@durable.workflow()
def fails(text: str) -> None:
    raise ValueError(text)


@durable.workflow()
def naps(seconds: float, key: str = "woke") -> str:
    note("slept")
    durable.sleep(seconds)
    return note(key)


@durable.workflow()
async def anaps(seconds: float) -> str:
    await durable.asleep(seconds)
    return "woke"


@durable.workflow()
def receives(topic: str | None = None, timeout: float = 30, times: int = 1) -> list[Any]:
    return [durable.recv(topic, timeout) for _ in range(times)]


@durable.workflow()
async def areceives(topic: str | None = None, timeout: float = 30) -> Any:
    return await durable.arecv(topic, timeout)


@durable.workflow()
def watches(workflow_id: str, key: str, timeout: float = 30) -> Any:
    return durable.get_event(workflow_id, key, timeout)


@durable.workflow()
def fans_out(n: int) -> int:
    handles = [total.start(i) for i in range(n)]
    return sum(durable.gather(handles))


@durable.workflow()
def holds(seconds: float) -> str:
    """Occupies its place in a queue without letting go of its thread."""
    enter(seconds)
    return "held"


@durable.step()
def enter(seconds: float) -> None:
    Effect.objects.create(key="enter")
    connections.close_all()
    time.sleep(seconds)
    Effect.objects.create(key="leave")


@durable.workflow()
def stages(n: int) -> list[str]:
    """Many checkpoints of several kinds, for crashes in between."""
    keys = []
    for i in range(n):
        keys.append(note(f"step-{i}"))
        keys.append(book(f"book-{i}"))
    durable.set_event("stage", n)
    durable.sleep(0.01)
    return keys


limited = durable.Queue("limited", concurrency=3)
one_by_one = durable.Queue("one-by-one", concurrency=1)
per_worker = durable.Queue("per-worker", worker_concurrency=2)
rated = durable.Queue("rated", limiter={"limit": 5, "period": 1.0})
