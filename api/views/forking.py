"""Run a workflow again: a copy of it from a step or from the start, or the same one taken back."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiResponse
from rest_framework.response import Response

import durable
from durable.audit import audited
from durable.chance import chance
from durable.errors import WorkflowConflict

from ..authentication import actor_of
from ..idempotency import key_parameter, read_key
from ..permissions import MayOperate
from ..serializers.steering import ForkSerializer, RestartSerializer, RewindSerializer
from ..serializers.workflows import ReceiptSerializer
from .endpoint import ID, Endpoint, documented, said
from .rows import receipt, workflows

KEY = key_parameter("Becomes the fork's id when the body gives none: sent again, it finds the fork that is there.")
MADE = {
    201: OpenApiResponse(ReceiptSerializer, "Forked; the receipt speaks of the fork."),
    200: OpenApiResponse(ReceiptSerializer, "The same request, by its key, has forked it already."),
}
EXAMPLE = OpenApiExample(
    "With another output of step 2", {"start_step": 3, "outputs": {"2": {"price": 12}}}, request_only=True
)


class Fork(Endpoint):
    permission_classes = (MayOperate,)

    @documented(
        operation_id="fork_workflow",
        summary="Run a copy of a workflow from one of its steps on; the steps before are kept and not run again",
        parameters=[ID, KEY],
        request=ForkSerializer,
        examples=[EXAMPLE],
        responses=MADE,
        problems=(400, 404, 409, 413, 415, 422),
    )
    def post(self, request: Any, id: str) -> Response:
        options = said(request, ForkSerializer)
        note = {"start_step": options["start_step"], "outputs": sorted(options.get("outputs", ()))}
        return forked(request, "fork", id, durable.fork_workflow, options, note)


class Restart(Endpoint):
    permission_classes = (MayOperate,)

    @documented(
        operation_id="restart_workflow",
        summary="Run a workflow again from the start, with the same input, under a new id",
        parameters=[ID, KEY],
        request=RestartSerializer,
        responses=MADE,
        problems=(400, 404, 409, 415, 422),
    )
    def post(self, request: Any, id: str) -> Response:
        return forked(request, "restart", id, durable.restart_workflow, said(request, RestartSerializer), {})


class Rewind(Endpoint):
    permission_classes = (MayOperate,)

    @documented(
        operation_id="rewind_workflow",
        summary="Take a workflow that has ended back to one of its steps and run it again from there, under its own id",
        parameters=[ID],
        request=RewindSerializer,
        responses={200: ReceiptSerializer},
        problems=(400, 404, 409, 415, 422),
    )
    def post(self, request: Any, id: str) -> Response:
        options = said(request, RewindSerializer)
        with audited("rewind", id, actor=actor_of(request), source="api", **options):
            durable.rewind_workflow(id, **options)
        return receipt(request, id, changed=True)


def forked(request: Any, action: str, pk: str, verb: Any, options: dict[str, Any], note: dict[str, Any]) -> Response:
    """Fork the workflow `pk` with `verb`; a request that is sent again with its key finds the fork that is there."""
    key = None if "workflow_id" in options else read_key(request)
    fork = options.setdefault("workflow_id", key or chance.new_id())
    try:
        with audited(action, pk, actor=actor_of(request), source="api", fork=fork, **note):
            verb(pk, **options)
    except WorkflowConflict:
        if key is None or not is_fork(fork, pk):
            raise
        return receipt(request, fork, changed=False)
    return receipt(request, fork, changed=True, status=201)


def is_fork(fork: str, original: str) -> bool:
    return workflows().filter(pk=fork, forked_from=original).exists()
