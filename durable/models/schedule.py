"""When a workflow is started by the clock."""

from __future__ import annotations

from django.db import models

from .fields import Key, Moment, Now

TERMS = ("workflow", "cron", "timezone", "catch_up", "queue")
"""What the code may declare and an operator may override."""


class CatchUp(models.TextChoices):
    """What becomes of the ticks that nobody could fire, because no executor ran."""

    SKIP = "skip"
    NEWEST = "newest"
    ALL = "all"


class Schedule(models.Model):
    """A schedule as a row. `declared` is what the code says, `override` what an operator set; the columns are in force.

    `last_at` is the tick up to which all is decided: it is read and moved under the row's lock, so that a tick fires
    once over all executors.
    """

    name = Key(primary_key=True)
    workflow = Key(help_text="Name of the definition that it starts.")
    cron = Key(help_text="Five fields, or six with seconds first.")
    timezone = Key(default="UTC")
    catch_up = Key(default=CatchUp.NEWEST, choices=CatchUp.choices)
    queue = Key(null=True)
    context = models.TextField(
        null=True, help_text="Encoded: passed with the tick. NULL passes the tick and the time of its start."
    )
    serialization = Key(default="json")
    paused = models.BooleanField(default=False)
    declared = models.JSONField(default=dict)
    override = models.JSONField(default=dict)
    last_at = Moment(default=Now)
    created_at = Moment(default=Now)
    updated_at = Moment(default=Now)

    class Meta:
        ordering = ["name"]
        permissions = [("operate_schedule", "Can create, pause, trigger and delete schedules")]

    def __str__(self) -> str:
        return f"{self.name} {self.cron}"

    def settle(self) -> None:
        """Put in force what is declared, unless an operator overrode it."""
        for term in TERMS:
            if term in self.override or term in self.declared:
                setattr(self, term, self.override.get(term, self.declared.get(term)))
