"""A named line with limits."""

from __future__ import annotations

from typing import Any

from django.db import models

from .fields import Key, Moment, Now

LIMITS = (
    "concurrency", "worker_concurrency", "rate_limit", "rate_period", "max_tasks_per_iteration",
    "partition_concurrency", "partition_worker_concurrency", "partition_rate_limit", "partition_rate_period",
)  # fmt: skip


class Queue(models.Model):
    """A queue as a row. `declared` is what the code says, `override` what an operator set; the columns are in force."""

    name = Key(primary_key=True)
    declared = models.JSONField(default=dict)
    override = models.JSONField(default=dict)
    paused = models.BooleanField(default=False)
    concurrency = models.IntegerField(null=True, help_text="At most this many in all, over all executors.")
    worker_concurrency = models.IntegerField(null=True, help_text="At most this many in one executor.")
    rate_limit = models.IntegerField(null=True, help_text="At most this many starts within rate_period.")
    rate_period = models.FloatField(null=True, help_text="Seconds.")
    max_tasks_per_iteration = models.IntegerField(null=True, help_text="At most this many taken by one claim.")
    priority_enabled = models.BooleanField(default=True)
    partitioned = models.BooleanField(default=False)
    partition_concurrency = models.IntegerField(null=True, help_text="At most this many of one partition in all.")
    partition_worker_concurrency = models.IntegerField(null=True, help_text="The same, in one executor.")
    partition_rate_limit = models.IntegerField(null=True, help_text="At most this many starts of one partition.")
    partition_rate_period = models.FloatField(null=True, help_text="Seconds.")
    starts = models.JSONField(default=list, help_text="Recent starts, seconds since the epoch, for the rate limit.")
    partition_starts = models.JSONField(null=True, help_text="The same by partition key.")
    created_at = Moment(default=Now)
    updated_at = Moment(default=Now)

    class Meta:
        ordering = ["name"]
        permissions = [("operate_queue", "Can pause queues and change their limits")]

    def __str__(self) -> str:
        return self.name

    def settle(self) -> None:
        """Put in force what is declared, unless an operator overrode it."""
        for limit in LIMITS:
            setattr(self, limit, self.override.get(limit, self.declared.get(limit)))
        of_partitions = [getattr(self, limit) for limit in LIMITS if limit.startswith("partition_")]
        self.partitioned = self.partitioned or any(limit is not None for limit in of_partitions)

    @property
    def is_limited(self) -> bool:
        """Whether a claim must hold this row's lock and count; of a paused queue, those that have started go on."""
        return self.paused or self.partitioned or self.concurrency is not None or self.rate_limit is not None

    def limits(self) -> dict[str, Any]:
        return {limit: getattr(self, limit) for limit in LIMITS}
