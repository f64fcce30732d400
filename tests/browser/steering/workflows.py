"""Each waits for the person, so that no test waits for time."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import durable

narrow = durable.Queue("narrow", concurrency=1)
tenants = durable.Queue("tenants", partition_queue=True, concurrency=1, limiter={"limit": 5, "period": 10})


@durable.workflow()
def talks() -> int:
    """Writes what it is told to a stream, until it is told to stop."""
    said = 0
    while (word := durable.recv("word", 3600)) != "stop":
        durable.write_stream("words", {"word": word, "number": said})
        durable.set_event("last", word)
        said += 1
    durable.close_stream("words")
    return said


@durable.workflow()
def sells(order: str) -> str:
    """Fails when nothing is in stock."""
    found = look_up(order)
    take_money(order, found["stock"])
    return f"sold {order}"


@durable.step()
def look_up(order: str) -> dict[str, Any]:
    return {"order": order, "stock": 0}


@durable.step()
def take_money(order: str, stock: int) -> str:
    if stock < 1:
        raise ValueError(f"Nothing of {order} is in stock")
    return "charged"


@durable.workflow()
def waits() -> Any:
    """Holds its place until it gets a message."""
    return durable.recv("go", 3600)


@durable.scheduled("30 3 * * *", timezone="Europe/Berlin")
@durable.workflow()
def nightly(scheduled: datetime, actual: datetime) -> str:
    return scheduled.isoformat()
