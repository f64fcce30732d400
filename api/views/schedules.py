"""Schedules: look at them, make one, put other terms in force, delete it."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from rest_framework.response import Response

import durable
from durable.audit import audited
from durable.conf import conf
from durable.errors import ScheduleNotFound, UnknownDefinition
from durable.models import Schedule

from ..authentication import actor_of
from ..filtering import NOT_BLANK
from ..idempotency import key_parameter, noted, read_key
from ..links import link
from ..pagination import Keyset
from ..permissions import MayOperateSchedules, MayViewSchedules
from ..serializers.pages import page_of
from ..serializers.schedules import NewScheduleSerializer, ScheduleSerializer, TermsSerializer
from .endpoint import ID, PAGING, Endpoint, documented, flag, only, said

BY_NAME = Keyset("name")
FILTERS = [
    OpenApiParameter("workflow", NOT_BLANK, description="Name of the workflow function that it starts."),
    OpenApiParameter("paused", {"type": "integer", "enum": [0, 1]}, description="1: paused ones; 0: those that tick."),
]
KEY = key_parameter("Kept in the audit. Name and terms make a schedule one: sent again, the request finds it.")
EXAMPLE = OpenApiExample(
    "Every night",
    {"name": "nightly", "workflow": "report", "cron": "0 2 * * *", "timezone": "Europe/Berlin"},
    request_only=True,
)


class Schedules(Endpoint):
    permission_classes = (MayViewSchedules,)
    action_permissions = (MayOperateSchedules,)

    @documented(
        operation_id="list_schedules",
        summary="List schedules by name",
        parameters=[*FILTERS, *PAGING],
        responses={200: page_of(ScheduleSerializer)},
        problems=(400,),
    )
    def get(self, request: Any) -> Response:
        only(request, "workflow", "paused")
        rows = schedules(self)
        if workflow := request.query_params.get("workflow"):
            rows = rows.filter(workflow=workflow.replace("\0", ""))
        if "paused" in request.query_params:
            rows = rows.filter(paused=flag(request, "paused"))
        return self.page_response(BY_NAME.page(request, rows), ScheduleSerializer, "schedules")

    @documented(
        operation_id="create_schedule",
        summary="Create a schedule, which ticks from now on",
        parameters=[KEY],
        request=NewScheduleSerializer,
        examples=[EXAMPLE],
        responses={
            201: OpenApiResponse(ScheduleSerializer, "Created."),
            200: OpenApiResponse(ScheduleSerializer, "It is there, with these terms."),
        },
        problems=(400, 409, 413, 415, 422),
    )
    def post(self, request: Any) -> Response:
        terms = said(request, NewScheduleSerializer)
        name, key = terms.pop("name"), read_key(request)
        check_offered(terms["workflow"])
        note = {term: value for term, value in terms.items() if term != "context"}
        with audited("create", name, actor=actor_of(request), source="api", kind="schedule", **note, **noted(key)) as d:
            d["created"] = is_new = not schedules(self).filter(name=name).exists()
            durable.create_schedule(name, terms.pop("workflow"), terms.pop("cron"), **terms)
        return shown(self, name, status=201 if is_new else 200)


class ScheduleView(Endpoint):
    permission_classes = (MayViewSchedules,)
    action_permissions = (MayOperateSchedules,)

    @documented(
        operation_id="get_schedule",
        summary="Look at one schedule",
        parameters=[ID],
        responses={200: ScheduleSerializer},
        problems=(404,),
    )
    def get(self, request: Any, id: str) -> Response:
        return shown(self, id)

    @documented(
        operation_id="change_schedule",
        summary="Put other terms of a schedule in force than those declared",
        parameters=[ID],
        request=TermsSerializer,
        responses={200: ScheduleSerializer},
        problems=(400, 404, 415, 422),
    )
    def patch(self, request: Any, id: str) -> Response:
        terms = said(request, TermsSerializer)
        check_offered(terms.get("workflow", ""))
        with audited("override", id, actor=actor_of(request), source="api", kind="schedule", **terms):
            durable.override_schedule(id, **terms)
        return shown(self, id)

    @documented(
        operation_id="delete_schedule",
        summary="Delete a schedule; what it started stays, and one that code declares comes back with it",
        parameters=[ID],
        responses={204: OpenApiResponse(None, "Deleted.")},
        problems=(404,),
    )
    def delete(self, request: Any, id: str) -> Response:
        found(schedules(self), id)
        with audited("delete", id, actor=actor_of(request), source="api", kind="schedule"):
            if not durable.delete_schedule(id):
                found(schedules(self), id)
        return Response(status=204)


class ScheduleOverride(Endpoint):
    permission_classes = (MayOperateSchedules,)

    @documented(
        operation_id="clear_schedule_override",
        summary="Put back in force what was declared of a schedule",
        parameters=[ID],
        responses={200: ScheduleSerializer},
        problems=(404,),
    )
    def delete(self, request: Any, id: str) -> Response:
        cleared = sorted(found(schedules(self), id).override)
        with audited("clear_override", id, actor=actor_of(request), source="api", kind="schedule", cleared=cleared):
            durable.clear_schedule_override(id)
        return shown(self, id)


def schedules(view: Endpoint) -> Any:
    rows = Schedule.objects.using(conf().DATABASE)
    return rows if view.may_see_payload else rows.defer("context")


def found(rows: Any, name: str) -> Schedule:
    """The schedule `name` of `rows`. Raises `ScheduleNotFound`."""
    schedule = rows.filter(name=name).first()
    if schedule is None:
        known = ", ".join(rows.values_list("name", flat=True)[:20]) or "none"
        raise ScheduleNotFound(name=name, known=known)
    return schedule


def check_offered(workflow: str) -> None:
    """What the engine registers for itself, such as single steps, has a name that begins with "<" and is not offered.

    Raises `UnknownDefinition`. Other names need not be known here: another application may run them.
    """
    if workflow.startswith("<"):
        raise UnknownDefinition(name=workflow, known="those that do not begin with <")


def shown(view: Endpoint, name: str, status: int = 200) -> Response:
    """The schedule as it is, and where it is."""
    row = found(schedules(view), name)
    headers = {"Location": link(view.request, "schedule", id=name)} if view.request.method != "GET" else None
    return Response(ScheduleSerializer(row, context=view.get_context()).data, status=status, headers=headers)
