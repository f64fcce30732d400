"""What a claim needs to know of a queue before it asks the database."""

from __future__ import annotations

from typing import Any


class QueueLimits:
    """A queue's limits in force, as a claim needs them."""

    __slots__ = (
        "concurrency", "max_tasks_per_iteration", "name", "partitioned", "paused", "rate_limit", "worker_concurrency",
    )  # fmt: skip

    def __init__(
        self, name: str, paused: Any, concurrency: Any, worker_concurrency: Any, rate_limit: Any, most: Any,
        partitioned: Any,
    ):  # fmt: skip
        self.name, self.paused, self.concurrency, self.partitioned = name, bool(paused), concurrency, bool(partitioned)
        self.worker_concurrency, self.rate_limit, self.max_tasks_per_iteration = worker_concurrency, rate_limit, most

    @property
    def is_limited(self) -> bool:
        """Whether a claim must hold the queue's lock and count."""
        return self.paused or self.partitioned or self.concurrency is not None or self.rate_limit is not None
