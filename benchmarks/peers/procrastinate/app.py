"""The smallest application on procrastinate: what every program of it runs. It has tasks, but no steps."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from procrastinate import App, PsycopgConnector

from ..measuring import Figures, FirstCall, Job
from ..threads import started

URL = os.environ["BENCHMARK_DATABASE_URL"]
first = FirstCall()
app = App(connector=PsycopgConnector(conninfo=URL))


@app.task(name="nothing")
async def nothing(i: int) -> int:
    first()
    return i


def start(**options: Any) -> None:
    """Start a worker beside this thread, with its defaults but for what is said."""

    async def work() -> None:
        async with app.open_async():
            await app.run_worker_async(install_signal_handlers=False, **options)

    started(lambda: asyncio.run(work()))


def prepare(job: Job) -> Figures:
    with app.open():
        app.schema_manager.apply_schema()
    return {}
