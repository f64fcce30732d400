"""The smallest application on Celery: what every program of it runs. It has tasks, but no steps.

Results are kept, in a database of their own, where they are counted.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any
from urllib.parse import urlsplit

from celery import Celery
from celery.signals import worker_init, worker_ready

from ..measuring import FirstCall

SOCKET = f"redis+socket://{urlsplit(os.environ['BENCHMARK_DATABASE_URL']).path}"
app = Celery("benchmarks", broker=f"{SOCKET}?virtual_host=0", backend=f"{SOCKET}?virtual_host=1")
first = FirstCall()


@app.task
def nothing(i: int) -> int:
    if first.at is None:
        first()
        tell("first")
    return i


@app.task
def stamp() -> list[float]:
    began = time.monotonic()
    return [began, time.monotonic()]


def tell(event: str) -> None:
    """Let the program that started this worker know, from whichever of its processes."""
    if "BENCHMARK_TELLS" in os.environ:
        os.write(1, f"{json.dumps({event: time.time()})}\n".encode())


@worker_init.connect
def launched(**_: Any) -> None:
    tell("launched")


@worker_ready.connect
def ready(**_: Any) -> None:
    tell("ready")
