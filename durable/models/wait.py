"""What a parked workflow waits for."""

from django.db import models

from .fields import Key


class Wait(models.Model):
    """One condition of a parked workflow (a gather has several), written when it parks, deleted when it is claimed.

    `message`: a message in `target`'s mailbox on topic `detail`; `event`: workflow `target` sets event `detail`;
    `child`: workflow `target` ends; `stream`: workflow `target` writes entry `number` to stream `detail`.
    """

    pk = models.CompositePrimaryKey("kind", "target", "detail", "workflow_id")
    kind = Key()
    target = Key()
    detail = Key(default="")
    number = models.IntegerField(null=True)
    workflow = models.ForeignKey("durable.Workflow", models.DO_NOTHING, related_name="waits", db_constraint=False)

    def __str__(self) -> str:
        return f"{self.workflow_id} {self.kind} {self.target}"
