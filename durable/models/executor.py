"""A process that runs workflows, and its lease."""

from __future__ import annotations

from django.db import models

from .fields import Key, Moment, Now


class ExecutorQuerySet(models.QuerySet["Executor"]):
    def living(self) -> ExecutorQuerySet:
        """Those whose lease runs: nobody may take their workflows."""
        return self.filter(lease_until__gt=Now())

    def serving(self) -> ExecutorQuerySet:
        """Those that take new work."""
        return self.living().filter(claims=True, draining=False)


class Executor(models.Model):
    """One start of one process. `id` is fresh each time and never reused; `label` is only a name for people."""

    id = Key(primary_key=True)
    label = Key()
    host = Key(help_text="Boot id and process namespace: the same for processes that can see each other's pids.")
    hostname = Key(default="")
    pid = models.IntegerField()
    pid_started = Key(
        default="", help_text="When the kernel says that the process began, so that a reused pid is seen."
    )
    version = Key(null=True)
    claims = models.BooleanField(default=True, help_text="False for a process that only runs its own direct calls.")
    concurrency = models.IntegerField(default=0)
    queues = models.JSONField(null=True, help_text="The queues it serves; null means all.")
    definitions = models.JSONField(default=dict, help_text="Workflow name to version: what it can run.")
    running = models.IntegerField(default=0)
    activity = models.JSONField(default=list, help_text="What has run for over a second, as of the heartbeat.")
    started_at = Moment(default=Now)
    heartbeat_at = Moment(default=Now)
    lease_until = Moment()
    draining = models.BooleanField(default=False)
    stopped_at = Moment(null=True)

    objects = ExecutorQuerySet.as_manager()

    class Meta:
        ordering = ["-started_at"]
        indexes = [models.Index("lease_until", name="executor_lease")]

    def __str__(self) -> str:
        return self.label
