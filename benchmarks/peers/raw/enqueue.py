"""Rows by the hundreds: one statement, one commit."""

from __future__ import annotations

from ..measuring import Figures, Job, Meter
from .app import ROW, connect, insert

ROWS = 500
"""In a statement."""


def bulk(job: Job) -> Figures:
    """Insert `job["workflows"]` rows, `ROWS` at a time."""
    n = job["workflows"]
    raw, (workflow, *rest) = connect(), ROW
    with Meter() as meter:
        for start in range(0, n, ROWS):
            rows = [(workflow, seq, *rest) for seq in range(start, min(start + ROWS, n))]
            raw.execute(insert(len(rows)), [value for row in rows for value in row])
    ((there,),) = raw.execute("select count(*) from entry").fetchall()
    if there != n:
        raise RuntimeError(f"{there} of {n} rows were written")
    return {"rate": meter.rate(n)}
