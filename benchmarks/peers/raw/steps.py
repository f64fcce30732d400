"""One connection that inserts rows, each committed by itself."""

from __future__ import annotations

from ..measuring import Figures, Job, Meter
from .app import ROW, connect, insert


def run(job: Job) -> Figures:
    n = job["steps"]
    raw, statement = connect(), insert(1)
    workflow, *rest = ROW
    for seq in range(20):
        raw.execute(statement, ("warm", seq, *rest))
    with Meter() as meter:
        for seq in range(n):
            raw.execute(statement, (workflow, seq, *rest))
    return {"rate": meter.rate(n)}
