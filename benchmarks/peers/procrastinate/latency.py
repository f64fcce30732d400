"""How soon something is seen by another process. There are no results: a task's stamp is kept in a table of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psycopg

from ..measuring import Figures, Job, probed
from .app import URL, app, start

PARTS = ("idle",)
TABLE = "create table if not exists stamp (job bigint primary key, began float, ended float)"
LOOK_SECONDS = 0.01


@app.task(name="stamp", pass_context=True)
async def stamp(context: object) -> None:
    began = time.monotonic()
    async with await psycopg.AsyncConnection.connect(URL, autocommit=True) as connection:
        job = context.job.id  # type: ignore[attr-defined]
        await connection.execute("insert into stamp values (%s, %s, %s)", (job, began, time.monotonic()))


def work(job: Job) -> Iterator[Figures]:
    with psycopg.connect(URL, autocommit=True) as connection:
        connection.execute(TABLE)
    start()
    yield {}


def probe(job: Job) -> Figures:
    with app.open(), psycopg.connect(URL, autocommit=True) as connection:

        def stamps(number: int) -> list[float]:
            while True:
                time.sleep(LOOK_SECONDS)  # first: no look stands in the way of the start
                row = connection.execute("select began, ended from stamp where job = %s", (number,)).fetchone()
                if row:
                    return list(row)

        stamps(stamp.defer())
        figures = probed(job["starts"], job["seed"], stamp.defer, stamps)
    return {"start": figures["start"]}
