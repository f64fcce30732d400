"""Runs of a workflow that did not simply succeed."""

from django.db import models

from .fields import Key, Moment


class Attempt(models.Model):
    """One ownership of a workflow that ended in a loss, a release, a cancellation or a failure; success writes none."""

    class Outcome(models.TextChoices):
        LOST = "lost"
        RELEASED = "released"
        FAILED = "failed"
        CANCELLED = "cancelled"
        RESUMED = "resumed"

    workflow = models.ForeignKey("durable.Workflow", models.DO_NOTHING, related_name="tries", db_constraint=False)
    epoch = models.IntegerField(help_text="The epoch that ended.")
    executor = Key(null=True)
    started_at = Moment(null=True)
    ended_at = Moment()
    outcome = Key(choices=Outcome.choices)
    detail = models.TextField(default="")

    class Meta:
        ordering = ["workflow_id", "id"]

    def __str__(self) -> str:
        return f"{self.workflow_id} {self.outcome}"
