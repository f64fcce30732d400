"""The smallest application on Durable: what every program of it runs."""

from __future__ import annotations

import asyncio

import durable

from ..measuring import Figures, FirstCall, Job

first = FirstCall()
queues = {None: durable.Queue("unlimited"), 50: durable.Queue("fifty", worker_concurrency=50)}
"""By worker concurrency."""


@durable.step()
def add(a: int, b: int) -> int:
    return a + b


@durable.step()
async def aadd(a: int, b: int) -> int:
    return a + b


@durable.workflow()
def total(n: int) -> int:
    result = 0
    for i in range(n):
        result = add(result, i)
    return result


@durable.workflow()
async def atotal(n: int) -> int:
    result = 0
    for i in range(n):
        result = await aadd(result, i)
    return result


@durable.workflow()
async def together(n: int, width: int) -> int:
    result = 0
    for start in range(0, n, width):
        result += sum(await asyncio.gather(*[aadd(i, 0) for i in range(start, start + width)]))
    return result


@durable.workflow()
def nothing(i: int) -> int:
    first()
    return i


@durable.workflow()
def one(i: int) -> int:
    first()
    return add(i, 1)


def prepare(job: Job) -> Figures:
    from django.core.management import call_command

    call_command("migrate", verbosity=0, interactive=False)
    return {}
