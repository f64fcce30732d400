"""A process that fills a queue."""

from __future__ import annotations

import os

from dbos import DBOS, DBOSClient, EnqueueOptions
from sqlalchemy import create_engine, make_url

from ..measuring import Figures, Job, Meter
from .app import launch, names, nothing

A_TRANSACTION, TOGETHER, WARM = 50, 500, 10
URL = os.environ["BENCHMARK_DATABASE_URL"]


def single(job: Job) -> Figures:
    queue, n = warm(), job["workflows"]
    with Meter() as meter:
        for i in range(n):
            DBOS.enqueue_workflow(queue, nothing, i)
    return figures(meter, n)


def bulk(job: Job) -> Figures:
    return in_transactions_of(TOGETHER, job["workflows"])


def atomic(job: Job) -> Figures:
    return in_transactions_of(A_TRANSACTION, job["workflows"])


def in_transactions_of(size: int, n: int) -> Figures:
    queue = warm()
    client = DBOSClient(system_database_url=URL)
    url = make_url(URL)
    engine = create_engine(url.set(drivername="postgresql+psycopg") if URL.startswith("postgresql") else url)
    options: EnqueueOptions = {"queue_name": queue, "workflow_name": nothing.__qualname__}
    with Meter() as meter:
        for start in range(0, n, size):
            with engine.begin() as connection:
                for i in range(start, min(start + size, n)):
                    client.enqueue_in_transaction(connection, options, i)
    return figures(meter, n)


def warm() -> str:
    launch(listens=False)
    for i in range(WARM):
        DBOS.enqueue_workflow(names[None], nothing, i)
    return names[None]


def figures(meter: Meter, n: int) -> Figures:
    stored = len(DBOS.list_queued_workflows(queue_name=names[None], load_input=False))
    return {"rate": meter.rate(n), "cpu_ms": meter.cpu_ms(n), "stored": stored - WARM}
