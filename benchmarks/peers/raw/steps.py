"""One connection that inserts rows, each committed by itself."""

from __future__ import annotations

from ..measuring import Figures, Job, Meter
from .app import ROW, URL, connect


def run(job: Job) -> Figures:
    n = job["steps"]
    place = "?" if URL.startswith("sqlite") else "%s"
    statement = f"insert into entry values ({', '.join([place] * 5)})"
    raw = connect()
    workflow, *rest = ROW
    for seq in range(20):
        raw.execute(statement, ("warm", seq, *rest))
    with Meter() as meter:
        for seq in range(n):
            raw.execute(statement, (workflow, seq, *rest))
    return {"rate": meter.rate(n)}
