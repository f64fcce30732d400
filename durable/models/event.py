"""Key-value pairs that a workflow publishes."""

from django.db import models

from .fields import Key, Moment, Now


class Event(models.Model):
    """One value of a key, by the slot that set it: the highest `seq` is the value, the others are its history."""

    pk = models.CompositePrimaryKey("workflow_id", "key", "seq")
    workflow = models.ForeignKey(
        "durable.Workflow", models.DO_NOTHING, related_name="events", db_constraint=False, db_index=False
    )
    key = Key()
    seq = models.IntegerField()
    value = models.TextField()
    created_at = Moment(default=Now)

    class Meta:
        ordering = ["workflow_id", "key", "seq"]

    def __str__(self) -> str:
        return f"{self.workflow_id} {self.key}"
