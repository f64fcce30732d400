"""One execution of a workflow function: the row that everything else hangs on."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q

from ..chance import chance
from ..serializers import decode_error
from ..serializers.reading import read
from ..states import FINAL, LIVE, Phase, Status, phase_of
from .fields import Key, Moment, Now

INTERNAL_QUEUE = "_durable"
"""Where a start without a queue waits; every executor serves it, and people see "no queue"."""


def new_id() -> str:
    """A fresh workflow id, ordered by time."""
    return chance.new_id()


class WorkflowQuerySet(models.QuerySet["Workflow"]):
    def listed(self) -> WorkflowQuerySet:
        """Newest first, without the payloads, which no list shows."""
        return self.defer("input", "output", "error", "traceparent").order_by("-created_at", "-id")

    def live(self) -> WorkflowQuerySet:
        """Those that have not ended, found through the two small indexes and not by their status."""
        return self.filter(Q(run_after__isnull=False) | Q(wake_at__isnull=False))

    def with_status(self, *statuses: str) -> WorkflowQuerySet:
        """Those in any of `statuses`, each asked for in the way that an index answers."""
        wanted = {Status(status) for status in statuses}
        either = Q()
        if live := wanted & LIVE:
            either |= Q(status__in=live) & (Q(run_after__isnull=False) | Q(wake_at__isnull=False))
        if failed := wanted & FINAL - {Status.SUCCESS}:
            either |= Q(failure__in=failed)
        if Status.SUCCESS in wanted:
            either |= Q(status=Status.SUCCESS)
        return self.filter(either) if wanted else self


class Workflow(models.Model):
    """One execution of a workflow function.

    `run_after` (ready or running since) and `wake_at` (parked or delayed until) decide everything that happens to a
    row and are both NULL once it has ended. `epoch` rises at every change of owner and fences every write of a run.
    No index mentions status, executor, epoch, started_at, completed_at or updated_at, so that claims stay HOT updates.
    """

    id = Key(primary_key=True, default=new_id)
    name = Key(help_text="Name of the definition.")
    class_name = Key(null=True)
    config_name = Key(null=True)
    status = Key(default=Status.ENQUEUED, choices=[(s, s) for s in Status])
    failure = Key(null=True, help_text="The status again when it ended other than SUCCESS, for a small index.")
    epoch = models.IntegerField(default=0)
    generation = models.IntegerField(
        default=0, help_text="Raised by a rewind, never reused; part of every idempotency key."
    )
    executor = Key(null=True, help_text="Id of the executor that holds it, or held it last.")

    queue = Key(default=INTERNAL_QUEUE)
    partition_key = Key(null=True)
    admitted = Key(
        null=True, help_text="The limited queue (and partition) in which it holds a place, also while parked."
    )
    priority = models.IntegerField(default=0)
    position = models.BigIntegerField(default=0, help_text="Order of arrival in its queue.")
    dedup_id = Key(null=True)
    debounce_key = Key(null=True, help_text="While it can still be debounced; cleared when it joins its queue.")
    debounce_deadline = Moment(null=True)

    run_after = Moment(null=True)
    wake_at = Moment(null=True)
    waiting_for = Key(
        null=True,
        help_text="sleep, retry:step, message:topic, event:workflow/key, stream:workflow/key, child:id, executor:name.",
    )

    version = Key(null=True)
    application = Key(null=True)
    created_at = Moment(default=Now)
    started_at = Moment(null=True)
    completed_at = Moment(null=True)
    updated_at = Moment(default=Now)
    timeout = models.FloatField(null=True, help_text="Seconds from start to completion.")
    deadline = Moment(null=True)
    recovery_attempts = models.IntegerField(default=0, help_text="Crashes of an executor that held it.")
    max_recovery_attempts = models.IntegerField(null=True)

    parent = Key(null=True)
    forked_from = Key(null=True)
    was_forked_from = models.BooleanField(default=False, db_default=False)
    schedule = Key(null=True, help_text="The schedule that started it.")
    authenticated_user = Key(null=True)
    assumed_role = Key(null=True)
    authenticated_roles = models.JSONField(null=True)
    attributes = models.JSONField(null=True)
    traceparent = Key(null=True)

    input = models.TextField(default="")
    output = models.TextField(null=True)
    error = models.TextField(null=True)
    error_type = Key(null=True)
    error_fingerprint = Key(null=True)
    serialization = Key(default="json")

    objects = WorkflowQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index("queue", "priority", "position", name="workflow_ready", condition=Q(run_after__isnull=False)),
            models.Index("wake_at", name="workflow_wake", condition=Q(wake_at__isnull=False)),
            models.Index("admitted", name="workflow_admitted", condition=Q(admitted__isnull=False)),
            models.Index("failure", "created_at", "id", name="workflow_failure", condition=Q(failure__isnull=False)),
            models.Index("created_at", "id", name="workflow_created"),
            models.Index("name", "created_at", "id", name="workflow_name"),
            models.Index("queue", "created_at", "id", name="workflow_queue"),
            models.Index("parent", "created_at", name="workflow_parent", condition=Q(parent__isnull=False)),
            models.Index("deadline", name="workflow_deadline", condition=Q(deadline__isnull=False)),
            models.Index(
                "queue", "partition_key", "priority", "position", name="workflow_partition",
                condition=Q(run_after__isnull=False, partition_key__isnull=False),
            ),
            models.Index("forked_from", name="workflow_forked", condition=Q(forked_from__isnull=False)),
            models.Index("created_at", "id", name="workflow_forks", condition=Q(forked_from__isnull=False)),
            models.Index("created_at", "id", name="workflow_was_forked", condition=Q(was_forked_from=True)),
            models.Index(
                "error_type", "created_at", "id", name="workflow_error", condition=Q(error_type__isnull=False)
            ),
            models.Index("schedule", "created_at", name="workflow_schedule", condition=Q(schedule__isnull=False)),
        ]  # fmt: skip
        constraints = [
            models.UniqueConstraint("queue", "dedup_id", name="workflow_dedup", condition=Q(dedup_id__isnull=False)),
            models.UniqueConstraint("debounce_key", name="workflow_debounce", condition=Q(debounce_key__isnull=False)),
        ]
        permissions = [
            ("operate_workflow", "Can start, cancel and resume workflows"),
            ("view_payload", "Can see inputs, outputs and errors of workflows"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.id}"

    @property
    def is_finished(self) -> bool:
        return self.status in FINAL

    @property
    def queue_name(self) -> str | None:
        """The queue that people know, or None for a start without one."""
        return None if self.queue == INTERNAL_QUEUE else self.queue

    def load_input(self) -> Any:
        """The arguments that it was started with, `{"args": [...], "kwargs": {...}}`; the text that is stored, with a
        warning in the log, when it cannot be decoded here."""
        return read(self.input, self.serialization, f"the input of workflow {self.pk!r}")

    def load_output(self) -> Any:
        """What it returned, None before its end. What cannot be decoded is given as `load_input` gives it."""
        return read(self.output, self.serialization, f"the output of workflow {self.pk!r}")

    def load_error(self) -> BaseException | None:
        """The error that ended it, which can be raised; a `RecordedError` when its class is not known here."""
        return None if self.error is None else decode_error(self.error)

    @property
    def phase(self) -> Phase:
        return phase_of(self.status, self.executor, self.waiting_for, self.run_after is not None)
