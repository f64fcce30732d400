"""Workflows: find them, look at one, start, cancel and resume."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

import durable
from durable.audit import audited
from durable.chance import chance
from durable.conf import conf
from durable.errors import InvalidOption, WorkflowNotFound
from durable.filters import ALIASES, MANY, ONE, TIMES, WorkflowFilter
from durable.models import Workflow
from durable.models.workflow import WorkflowQuerySet
from durable.registry import registry
from durable.states import PHASES, Status

from ..authentication import actor_of
from ..errors import InvalidParameter
from ..idempotency import KEY, read_key
from ..links import link
from ..pagination import Keyset
from ..permissions import MayOperate, MayView
from ..serializers.pages import page_of
from ..serializers.workflows import (
    ReceiptSerializer,
    StartSerializer,
    WorkflowDetailSerializer,
    WorkflowSerializer,
)
from .endpoint import ID, PAGING, Endpoint, documented, only

NEWEST_FIRST = Keyset("created_at", "id", newest_first=True)
PAYLOAD = ("input", "output", "error")

NOT_BLANK = {"type": "string", "pattern": r"\S"}
TIME = {
    "anyOf": [
        {"type": "string", "format": "date-time"},
        {"type": "string", "format": "date"},
        {"type": "string", "pattern": "^[0-9]{1,4}[smhdw]$"},
    ]
}

FILTERS = [
    OpenApiParameter("status", str, many=True, enum=[str(status) for status in Status], description="Any of these."),
    OpenApiParameter("phase", str, many=True, enum=list(PHASES), description="Any of these; widens `status`."),
    OpenApiParameter("name", NOT_BLANK, description="Name of the definition; may end in `*`."),
    OpenApiParameter("queue", {"type": "array", "items": NOT_BLANK}, description="Any of these."),
    OpenApiParameter(
        "ids", {"type": "array", "items": NOT_BLANK}, description="Any of these, at most 1,000. Also `id`."
    ),
    OpenApiParameter("id_prefix", NOT_BLANK, description="Beginning of the id."),
    OpenApiParameter("created_after", TIME, description="At or after: `24h` ago, `2026-11-20` or ISO 8601."),
    OpenApiParameter("created_before", TIME, description="Before, written in the same ways."),
    OpenApiParameter("executor", NOT_BLANK, description="Id of the executor that holds it, or held it last."),
    OpenApiParameter("parent", NOT_BLANK, description="Id of the workflow that started it."),
    OpenApiParameter("version", NOT_BLANK, description="Application version."),
    OpenApiParameter("q", NOT_BLANK, description="The search box's language: `status:failed queue:orders since:24h`."),
]

EXAMPLE = OpenApiExample(
    "On a queue", {"name": "checkout", "args": ["order-7"], "queue": "orders", "priority": 5}, request_only=True
)


class Workflows(Endpoint):
    permission_classes = (MayView,)
    action_permissions = (MayOperate,)

    @documented(
        operation_id="list_workflows",
        summary="List workflows, newest first",
        parameters=[*FILTERS, *PAGING],
        responses={200: page_of(WorkflowSerializer)},
        problems=(400,),
    )
    def get(self, request: Any) -> Response:
        only(request, *MANY, *TIMES, *ONE, *ALIASES, "q")
        try:
            chosen = WorkflowFilter.from_query(request.query_params)
        except InvalidOption as wrong:
            raise InvalidParameter(getattr(wrong, "option", "q"), str(wrong)) from None
        page = NEWEST_FIRST.page(request, chosen.apply(workflows().listed()))
        return self.page_response(page, WorkflowSerializer, "workflows")

    @documented(
        operation_id="start_workflow",
        summary="Start a workflow by its registered name",
        parameters=[KEY],
        request=StartSerializer,
        examples=[EXAMPLE],
        responses={
            201: OpenApiResponse(ReceiptSerializer, "Started."),
            200: OpenApiResponse(ReceiptSerializer, "Attached: a workflow of this function already has the id."),
        },
        problems=(400, 409, 413, 415, 422),
    )
    def post(self, request: Any) -> Response:
        said = StartSerializer(data=request.data)
        said.is_valid(raise_exception=True)
        options = dict(said.validated_data)
        name, args, kwargs = options.pop("name"), options.pop("args"), options.pop("kwargs")
        pk = options.setdefault("workflow_id", read_key(request) or chance.new_id())
        definition = definition_of(name)
        with audited("start", pk, actor=actor_of(request), source="api", name=name) as detail:
            detail["started"] = started = not workflows().filter(pk=pk).exists()
            try:
                definition.using(**options).start(*args, **kwargs)
            except TypeError as wrong:
                raise ValidationError({"args": [f"They do not fit {name}: {wrong}."]}) from wrong
        return receipt(request, pk, changed=started, status=201 if started else 200)


class WorkflowView(Endpoint):
    permission_classes = (MayView,)

    @documented(
        operation_id="get_workflow",
        summary="Look at one workflow",
        parameters=[ID],
        responses={200: WorkflowDetailSerializer},
        problems=(404,),
    )
    def get(self, request: Any, id: str) -> Response:
        context = self.get_context()
        rows = workflows() if context["payload"] else workflows().defer(*PAYLOAD)
        return Response(WorkflowDetailSerializer(found(rows, id), context=context).data)


class Cancel(Endpoint):
    permission_classes = (MayOperate,)

    @documented(
        operation_id="cancel_workflow",
        summary="Cancel a workflow; it stops at its next step",
        parameters=[ID],
        request=None,
        responses={200: ReceiptSerializer},
        problems=(404,),
    )
    def post(self, request: Any, id: str) -> Response:
        with audited("cancel", id, actor=actor_of(request), source="api") as detail:
            detail["changed"] = changed = durable.cancel_workflow(id)
        return receipt(request, id, changed=changed)


class Resume(Endpoint):
    permission_classes = (MayOperate,)

    @documented(
        operation_id="resume_workflow",
        summary="Resume a cancelled or dead workflow from its last recorded step",
        parameters=[ID],
        request=None,
        responses={200: ReceiptSerializer},
        problems=(404, 409),
    )
    def post(self, request: Any, id: str) -> Response:
        with audited("resume", id, actor=actor_of(request), source="api") as detail:
            before = found(workflows().only("epoch"), id).epoch
            durable.resume_workflow(id)
            detail["changed"] = changed = found(workflows().only("epoch"), id).epoch != before
        return receipt(request, id, changed=changed)


def workflows() -> WorkflowQuerySet:
    return Workflow.objects.using(conf().DATABASE)


def found(rows: WorkflowQuerySet, pk: str) -> Workflow:
    """The workflow `pk` of `rows`. Raises `WorkflowNotFound`."""
    workflow = rows.filter(pk=pk).first()
    if workflow is None:
        raise WorkflowNotFound(workflow_id=pk)
    return workflow


def definition_of(name: str) -> Any:
    """The workflow function registered under `name`. Raises `UnknownDefinition`, which names the known ones.

    What the engine registers for itself, such as single steps, has a name that begins with "<" and is not offered.
    """
    return registry.get("" if name.startswith("<") else name)


def receipt(request: Any, pk: str, *, changed: bool, status: int = 200) -> Response:
    """What an action left behind, and where to look."""
    url = link(request, "workflow", id=pk)
    now = found(workflows().only("status"), pk).status
    return Response({"id": pk, "url": url, "status": now, "changed": changed}, status=status, headers={"Location": url})
