"""Who did what from the outside."""

from django.db import models

from .fields import Key, Moment, Now


class AuditEntry(models.Model):
    """One action of a person or a token, written in the transaction of the action itself. Never updated."""

    id = models.BigAutoField(primary_key=True)
    at = Moment(default=Now)
    actor = Key(help_text="User name, or token name.")
    action = Key(help_text="cancel, resume, start, ...")
    kind = Key(default="workflow")
    target = Key(help_text="Id of the workflow, name of the queue, ...")
    detail = models.JSONField(default=dict)
    source = Key(default="dashboard", help_text="dashboard, api or command.")

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index("kind", "target", "id", name="audit_target")]

    def __str__(self) -> str:
        return f"{self.actor} {self.action} {self.target}"
