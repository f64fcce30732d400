"""What a schedule does: hold it, let it tick, start its workflow now or for ticks that are past."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework.response import Response

import durable
from durable.audit import audited
from durable.conf import conf
from durable.models import Schedule

from ..authentication import actor_of
from ..idempotency import done_before, key_parameter, noted, read_key
from ..pagination import read_whole
from ..permissions import MayOperateSchedules, MayViewSchedules
from ..serializers.fields import Moment
from ..serializers.schedules import (
    BackfillReportSerializer,
    BackfillSerializer,
    ScheduleSerializer,
    TicksSerializer,
)
from ..serializers.workflows import ReceiptSerializer
from .endpoint import ID, Endpoint, documented, only, said
from .rows import receipt, workflows
from .schedules import found, schedules, shown

MOST_TICKS = 100
SAMPLE = 100
AT_ONCE = 500
KEY = key_parameter("Sent again with it, the request finds the workflow that it started.")
COUNT = OpenApiParameter(
    "count", {"type": "integer", "minimum": 1, "maximum": MOST_TICKS, "default": 5}, description="How many ticks."
)


class PauseSchedule(Endpoint):
    permission_classes = (MayOperateSchedules,)

    @documented(
        operation_id="pause_schedule",
        summary="Start nothing more by the clock",
        parameters=[ID],
        request=None,
        responses={200: ScheduleSerializer},
        problems=(404,),
    )
    def post(self, request: Any, id: str) -> Response:
        with audited("pause", id, actor=actor_of(request), source="api", kind="schedule"):
            durable.pause_schedule(id)
        return shown(self, id)


class ResumeSchedule(Endpoint):
    permission_classes = (MayOperateSchedules,)

    @documented(
        operation_id="resume_schedule",
        summary="Let a paused schedule tick again, from now on",
        parameters=[ID],
        request=None,
        responses={200: ScheduleSerializer},
        problems=(404,),
    )
    def post(self, request: Any, id: str) -> Response:
        with audited("resume", id, actor=actor_of(request), source="api", kind="schedule"):
            durable.resume_schedule(id)
        return shown(self, id)


class Trigger(Endpoint):
    permission_classes = (MayOperateSchedules,)

    @documented(
        operation_id="trigger_schedule",
        summary="Start a schedule's workflow now, paused or not, as if it ticked",
        parameters=[ID, KEY],
        request=None,
        responses={
            201: OpenApiResponse(ReceiptSerializer, "Started; the receipt speaks of the workflow."),
            200: OpenApiResponse(ReceiptSerializer, "The same request, by its key, has started it already."),
        },
        problems=(400, 404),
    )
    def post(self, request: Any, id: str) -> Response:
        key, alias = read_key(request), conf().DATABASE
        with transaction.atomic(using=alias):
            # Two that come with one key at once: the second waits here, and then finds what the first noted.
            found(Schedule.objects.using(alias).select_for_update(no_key=True), id)
            if before := done_before("schedule", id, "trigger", key):
                return receipt(request, before.detail["workflow"], changed=False)
            with audited("trigger", id, actor=actor_of(request), source="api", kind="schedule", **noted(key)) as detail:
                detail["workflow"] = pk = durable.trigger_schedule(id).workflow_id
        return receipt(request, pk, changed=True, status=201)


class Backfill(Endpoint):
    permission_classes = (MayOperateSchedules,)

    @documented(
        operation_id="backfill_schedule",
        summary="Start a workflow for each tick of a time that is past; a tick that has one keeps it",
        parameters=[ID, key_parameter("Kept in the audit. Sent again, a backfill starts nothing twice.")],
        request=BackfillSerializer,
        responses={200: BackfillReportSerializer},
        problems=(400, 404, 415, 422),
    )
    def post(self, request: Any, id: str) -> Response:
        order, key = said(request, BackfillSerializer), read_key(request)
        start, end, dry_run = order["start"], order["end"], order["dry_run"]
        ids = [handle.workflow_id for handle in durable.backfill_schedule(id, start, end, dry_run=True)]
        new = len(ids) - existing(ids)
        if not dry_run:
            times = {"start": start.isoformat(), "end": end.isoformat()}
            note = {**times, "count": len(ids), "new": new, **noted(key)}
            with audited("backfill", id, actor=actor_of(request), source="api", kind="schedule", **note):
                durable.backfill_schedule(id, start, end)
        return Response({"dry_run": dry_run, "count": len(ids), "new": new, "ids": ids[:SAMPLE]})


class Ticks(Endpoint):
    permission_classes = (MayViewSchedules,)

    @documented(
        operation_id="list_ticks",
        summary="Say when a schedule ticks next, were it not paused",
        parameters=[ID, COUNT],
        responses={200: TicksSerializer},
        problems=(400, 404),
    )
    def get(self, request: Any, id: str) -> Response:
        only(request, "count", paging=())
        count = read_whole("count", request.query_params.get("count", "5"), 1, MOST_TICKS)
        ticks = durable.next_ticks(found(schedules(self), id), count)
        return Response({"ticks": [Moment().to_representation(tick) for tick in ticks]})


def existing(ids: list[str]) -> int:
    """How many of these workflows there are."""
    parts = (ids[start : start + AT_ONCE] for start in range(0, len(ids), AT_ONCE))
    return sum(workflows().filter(pk__in=part).count() for part in parts)
