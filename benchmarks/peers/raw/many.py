"""Group commit: many threads hand their rows to one, which writes all that it has in one statement."""

from __future__ import annotations

import queue
import threading
from typing import Any

from ..measuring import Figures, Job, Meter
from .app import ROW, connect, insert

Entry = tuple[tuple[Any, ...], threading.Event]


def run(job: Job) -> Figures:
    workflows, n = job["workflows"], job["steps"]
    entries: queue.SimpleQueue[Entry | None] = queue.SimpleQueue()
    statements: list[int] = []
    writer = threading.Thread(target=write, args=(entries, workflows, statements))
    threads = [threading.Thread(target=produce, args=(entries, f"workflow-{i}", n)) for i in range(workflows)]
    writer.start()
    with Meter() as meter:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    entries.put(None)
    writer.join()
    if sum(statements) != workflows * n:
        raise RuntimeError(f"{sum(statements)} of {workflows * n} rows were written")
    return {
        "rate": meter.rate(workflows * n),
        "cpu_ms": meter.cpu_ms(workflows * n),
        "rows": sum(statements) / len(statements),
    }


def produce(entries: queue.SimpleQueue[Entry | None], workflow: str, n: int) -> None:
    """Rows of one workflow, each committed before the next is made."""
    for seq in range(n):
        committed = threading.Event()
        entries.put(((workflow, seq, *ROW[1:]), committed))
        committed.wait()


def write(entries: queue.SimpleQueue[Entry | None], most: int, statements: list[int]) -> None:
    """Write what there is, until there is None; `statements` gets the number of rows of each."""
    raw = connect()
    while (entry := entries.get()) is not None:
        found = [entry]
        while len(found) < most and not entries.empty():
            following = entries.get()
            assert following is not None  # that comes when all are done
            found.append(following)
        raw.execute(insert(len(found)), [value for row, _ in found for value in row])
        statements.append(len(found))
        for _, committed in found:
            committed.set()
