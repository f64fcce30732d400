"""A workflow with its whole history as one JSON document: out of one database and into another."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse
from rest_framework.response import Response

import durable
from durable.audit import audited
from durable.errors import WorkflowConflict

from ..authentication import actor_of
from ..idempotency import done_before, key_parameter, noted, read_key
from ..permissions import MayOperate, MayView, MayViewPayload
from ..serializers.workflows import ReceiptSerializer
from .endpoint import ID, Endpoint, documented, flag, only
from .rows import receipt
from .workflows import CHILDREN

KEY = key_parameter("Sent again with it, the document is not refused because its workflows are there.")


class Export(Endpoint):
    permission_classes = (MayView, MayViewPayload)

    @documented(
        operation_id="export_workflow",
        summary="Export a workflow with all that it has recorded, payloads included",
        parameters=[ID, CHILDREN],
        responses={200: OpenApiTypes.OBJECT},
        problems=(400, 404),
    )
    def get(self, request: Any, id: str) -> Response:
        only(request, "children", paging=())
        return Response(durable.export_workflow(id, children=flag(request, "children")))


class Import(Endpoint):
    permission_classes = (MayOperate,)

    @documented(
        operation_id="import_workflow",
        summary="Store an exported workflow, all of it or nothing; one that had not ended goes on here",
        parameters=[KEY],
        request=OpenApiTypes.OBJECT,
        responses={
            201: OpenApiResponse(ReceiptSerializer, "Stored; the receipt speaks of its first workflow."),
            200: OpenApiResponse(ReceiptSerializer, "The same request, by its key, has stored it already."),
        },
        problems=(400, 409, 413, 415, 422),
    )
    def post(self, request: Any) -> Response:
        document, key = request.data, read_key(request)
        pk = first_id(document)
        try:
            with audited("import", pk, actor=actor_of(request), source="api", **noted(key)):
                pk = durable.import_workflow(document).workflow_id
        except WorkflowConflict:
            if not done_before("workflow", pk, "import", key):
                raise
            return receipt(request, pk, changed=False)
        return receipt(request, pk, changed=True, status=201)


def first_id(document: Any) -> str:
    """The id of the first workflow of a document, or nothing where there is none: such a document is refused."""
    try:
        pk = document["workflows"][0]["workflow"]["id"]
    except (LookupError, TypeError):
        return ""
    return pk if isinstance(pk, str) else ""
