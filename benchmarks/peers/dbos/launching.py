"""Starting it as one of several workers, or for certain queues alone; otherwise with its defaults."""

from __future__ import annotations

import os
from collections.abc import Sequence

from dbos import DBOS


def configure(executor_id: str = "worker", queues: Sequence[str] | None = None) -> None:
    """Before `DBOS.launch()`. `queues`: the only ones to take work from, None for all."""
    DBOS(
        config={
            "name": "benchmarks",
            "system_database_url": os.environ["BENCHMARK_DATABASE_URL"],
            "application_version": "1",
            "executor_id": executor_id,
            "log_level": "ERROR",
        }
    )
    if queues is not None:
        DBOS.listen_queues(queues)
