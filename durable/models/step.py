"""What a workflow has recorded: its steps, and the tries of a step that failed."""

from __future__ import annotations

from typing import Any

from django.db import models

from ..serializers import decode_error
from ..serializers.reading import read
from .fields import Key, Moment


class Kind(models.TextChoices):
    """What a slot holds; the timeline draws each in its own way."""

    STEP = "step"
    TRANSACTION = "transaction"
    SLEEP = "sleep"
    SEND = "send"
    RECV = "recv"
    SET_EVENT = "set_event"
    GET_EVENT = "get_event"
    CHILD = "child"
    RESULT = "result"
    STREAM = "stream"
    READ_STREAM = "read_stream"
    PATCH = "patch"
    MANAGE = "manage"


class Step(models.Model):
    """One recorded operation. Its slot `(workflow, seq)` is decided once; a row is never updated.

    For a sleep, `output` is the wake-up time. `child` names the workflow that a child or result slot speaks of.
    """

    pk = models.CompositePrimaryKey("workflow_id", "seq")
    workflow = models.ForeignKey(
        "durable.Workflow", models.DO_NOTHING, related_name="steps", db_constraint=False, db_index=False
    )
    seq = models.IntegerField()
    name = Key()
    kind = Key(default=Kind.STEP, choices=Kind.choices)
    output = models.TextField(null=True)
    error = models.TextField(null=True)
    child = Key(null=True)
    epoch = models.IntegerField()
    attempts = models.IntegerField(default=1)
    started_at = Moment()
    completed_at = Moment()

    class Meta:
        ordering = ["workflow_id", "seq"]

    def __str__(self) -> str:
        return f"{self.workflow_id}:{self.seq} {self.name}"

    def load_output(self) -> Any:
        """What it returned; the text that is stored, with a warning in the log, when it cannot be decoded here."""
        known = getattr(self, "serialization", None)
        serialization = self.workflow.serialization if known is None and self.output is not None else known
        return read(self.output, serialization or "json", f"the output of step {self.seq} of {self.workflow_id!r}")

    def load_error(self) -> BaseException | None:
        """The error that it raised, which can be raised; a `RecordedError` when its class is not known here."""
        return None if self.error is None else decode_error(self.error)


class StepAttempt(models.Model):
    """One failed try of a step, written when it fails, so that retries count on over parking and crashes."""

    pk = models.CompositePrimaryKey("workflow_id", "seq", "n")
    workflow = models.ForeignKey(
        "durable.Workflow", models.DO_NOTHING, related_name="step_attempts", db_constraint=False, db_index=False
    )
    seq = models.IntegerField()
    n = models.IntegerField(help_text="Counted from 1.")
    name = Key()
    error = models.TextField()
    started_at = Moment()
    ended_at = Moment()

    class Meta:
        ordering = ["workflow_id", "seq", "n"]

    def __str__(self) -> str:
        return f"{self.workflow_id}:{self.seq} attempt {self.n}"


class Checkpoint(models.Model):
    """A @transaction on another database keeps its outcome there, committed with the user's own writes.

    Keyed by the workflow's generation, which a rewind raises and nothing reuses.
    """

    pk = models.CompositePrimaryKey("workflow_id", "generation", "seq")
    workflow_id = Key()
    generation = models.IntegerField()
    seq = models.IntegerField()
    name = Key()
    output = models.TextField()
    created_at = Moment()

    def __str__(self) -> str:
        return f"{self.workflow_id}:{self.seq} {self.name}"
