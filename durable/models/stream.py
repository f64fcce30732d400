"""Values that a workflow streams, in order, to whoever reads."""

from django.db import models

from .fields import Key, Moment, Now


class StreamEntry(models.Model):
    """One value of a stream, or its end. Offsets count from 0 without a gap; an entry is never changed.

    The entry without a value closes the stream; a workflow's end closes all of its streams without one.
    """

    pk = models.CompositePrimaryKey("workflow_id", "key", "offset")
    workflow = models.ForeignKey(
        "durable.Workflow", models.DO_NOTHING, related_name="stream_entries", db_constraint=False, db_index=False
    )
    key = Key()
    offset = models.IntegerField()
    seq = models.IntegerField(help_text="The slot that wrote it.")
    value = models.TextField(null=True, help_text="NULL closes the stream.")
    created_at = Moment(default=Now)

    class Meta:
        ordering = ["workflow_id", "key", "offset"]
        indexes = [models.Index("workflow_id", "seq", name="streamentry_slot")]

    def __str__(self) -> str:
        return f"{self.workflow_id} {self.key}@{self.offset}"
