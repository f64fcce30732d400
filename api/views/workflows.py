"""Workflows: find them, start one, look at one, change or delete it."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

import durable
from durable.audit import audited
from durable.chance import chance
from durable.errors import WorkflowNotFound
from durable.registry import registry

from ..authentication import actor_of
from ..filtering import FILTERS, PARAMETERS, filter_of_query
from ..idempotency import KEY, read_key
from ..pagination import Keyset
from ..permissions import MayOperate, MayView
from ..serializers.pages import page_of
from ..serializers.workflows import (
    ChangeSerializer,
    ReceiptSerializer,
    StartSerializer,
    WorkflowDetailSerializer,
    WorkflowSerializer,
)
from .endpoint import ID, PAGING, Endpoint, documented, flag, only, said
from .rows import found, receipt, workflows

NEWEST_FIRST = Keyset("created_at", "id", newest_first=True)
PAYLOAD = ("input", "output", "error")

EXAMPLE = OpenApiExample(
    "On a queue", {"name": "checkout", "args": ["order-7"], "queue": "orders", "priority": 5}, request_only=True
)
CHILDREN = OpenApiParameter(
    "children",
    {"type": "integer", "enum": [0, 1], "default": 0},
    description="1: also all that it started, at any depth.",
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
        only(request, *PARAMETERS)
        chosen = filter_of_query(request.query_params)
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
        options = said(request, StartSerializer)
        name, args, kwargs = options.pop("name"), options.pop("args"), options.pop("kwargs")
        wanted = options.setdefault("workflow_id", read_key(request) or chance.new_id())
        definition = definition_of(name)
        with audited("start", wanted, actor=actor_of(request), source="api", name=name) as detail:
            is_new = not workflows().filter(pk=wanted).exists()
            try:
                pk = definition.using(**options).start(*args, **kwargs).workflow_id
            except TypeError as wrong:
                raise ValidationError({"args": [f"They do not fit {name}: {wrong}."]}) from wrong
            detail["started"] = started = is_new and pk == wanted
            if pk != wanted:
                detail["attached_to"] = pk
        return receipt(request, pk, changed=started, status=201 if started else 200)


class WorkflowView(Endpoint):
    permission_classes = (MayView,)
    action_permissions = (MayOperate,)

    @documented(
        operation_id="get_workflow",
        summary="Look at one workflow",
        parameters=[ID],
        responses={200: WorkflowDetailSerializer},
        problems=(404,),
    )
    def get(self, request: Any, id: str) -> Response:
        rows = workflows() if self.may_see_payload else workflows().defer(*PAYLOAD)
        return Response(WorkflowDetailSerializer(found(rows, id), context=self.get_context()).data)

    @documented(
        operation_id="change_workflow",
        summary="Change the attributes of a workflow, or the delay of one that waits for its start",
        parameters=[ID],
        request=ChangeSerializer,
        responses={200: ReceiptSerializer},
        problems=(400, 404, 409, 415, 422),
    )
    def patch(self, request: Any, id: str) -> Response:
        change = said(request, ChangeSerializer)
        with audited("change", id, actor=actor_of(request), source="api") as detail:
            if "attributes" in change:
                durable.update_workflow_attributes(id, change["attributes"], merge=change["merge"])
                detail |= {"attributes": change["attributes"], "merge": change["merge"]}
            if "delay" in change:
                durable.set_workflow_delay(id, seconds=change["delay"])
                detail["delay"] = change["delay"]
            if "delay_until" in change:
                durable.set_workflow_delay(id, until=change["delay_until"])
                detail["delay_until"] = change["delay_until"].isoformat()
        return receipt(request, id, changed=True)

    @documented(
        operation_id="delete_workflow",
        summary="Delete a workflow with all that hangs on it; a running one stops and writes nothing more",
        parameters=[ID, CHILDREN],
        responses={204: OpenApiResponse(None, "Deleted.")},
        problems=(400, 404),
    )
    def delete(self, request: Any, id: str) -> Response:
        only(request, "children", paging=())
        children = flag(request, "children")
        with audited("delete", id, actor=actor_of(request), source="api", children=children):
            if not durable.delete_workflow(id, delete_children=children):
                raise WorkflowNotFound(workflow_id=id)
        return Response(status=204)


def definition_of(name: str) -> Any:
    """The workflow function registered under `name`. Raises `UnknownDefinition`, which names the known ones.

    What the engine registers for itself, such as single steps, has a name that begins with "<" and is not offered.
    """
    return registry.get("" if name.startswith("<") else name)
