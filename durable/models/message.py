"""Messages from anywhere to a workflow."""

from django.db import models
from django.db.models import Q

from .fields import Key, Moment, Now


class Message(models.Model):
    """A message in a workflow's mailbox: strictly first in, first out for each topic; its key makes it unique."""

    id = models.BigAutoField(primary_key=True)
    workflow = models.ForeignKey(
        "durable.Workflow", models.DO_NOTHING, related_name="messages", db_constraint=False, db_index=False
    )
    topic = Key(default="", help_text='"" is the mailbox without a topic.')
    key = Key(help_text="Idempotency key, unique for each workflow.")
    body = models.TextField()
    sender = Key(null=True, help_text="The workflow that sent it, if one did.")
    created_at = Moment(default=Now)
    consumed_seq = models.IntegerField(null=True, help_text="The slot that received it.")

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint("workflow", "key", name="message_key")]
        indexes = [
            models.Index("workflow", "topic", "id", name="message_mailbox", condition=Q(consumed_seq__isnull=True))
        ]

    def __str__(self) -> str:
        return f"{self.workflow_id} {self.topic}"
