"""A row and a notification, heard on another connection."""

from __future__ import annotations

import random
import threading
import time

from ..measuring import GAP_SECONDS, Figures, Job
from .app import ROW, connect


def probe(job: Job) -> Figures:
    """Insert a row, notify, be heard on another connection: milliseconds from the call. PostgreSQL only."""
    heard, late = threading.Event(), []
    ears, mouth = connect(), connect()
    ears.execute("listen limit_of_all")

    def hear() -> None:
        for notification in ears.notifies(stop_after=job["starts"]):
            late.append((time.monotonic() - float(notification.payload)) * 1000)
        heard.set()

    threading.Thread(target=hear, daemon=True).start()
    gaps = random.Random(job["seed"])
    for seq in range(job["starts"]):
        time.sleep(gaps.uniform(*GAP_SECONDS))
        began = time.monotonic()
        mouth.execute("insert into entry values (%s, %s, %s, %s, %s)", ("told", seq, *ROW[1:]))
        mouth.execute("select pg_notify('limit_of_all', %s)", (repr(began),))
    if not heard.wait(10):
        raise RuntimeError("not every notification was heard")
    return {"notify": late}
