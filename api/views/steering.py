"""Stop a workflow, and let it go on."""

from __future__ import annotations

from typing import Any

from rest_framework.response import Response

import durable
from durable.audit import audited

from ..authentication import actor_of
from ..permissions import MayOperate
from ..serializers.steering import CancelSerializer, ResumeSerializer
from ..serializers.workflows import ReceiptSerializer
from .endpoint import ID, Endpoint, documented, said
from .rows import found, receipt, workflows


class Cancel(Endpoint):
    permission_classes = (MayOperate,)

    @documented(
        operation_id="cancel_workflow",
        summary="Cancel a workflow; it stops at its next step",
        parameters=[ID],
        request=CancelSerializer,
        responses={200: ReceiptSerializer},
        problems=(400, 404, 415),
    )
    def post(self, request: Any, id: str) -> Response:
        children = said(request, CancelSerializer)["children"]
        with audited("cancel", id, actor=actor_of(request), source="api", children=children) as detail:
            detail["changed"] = changed = durable.cancel_workflow(id, cancel_children=children)
        return receipt(request, id, changed=changed)


class Resume(Endpoint):
    permission_classes = (MayOperate,)

    @documented(
        operation_id="resume_workflow",
        summary="Resume a cancelled or dead workflow from its last recorded step",
        parameters=[ID],
        request=ResumeSerializer,
        responses={200: ReceiptSerializer},
        problems=(400, 404, 409, 415, 422),
    )
    def post(self, request: Any, id: str) -> Response:
        options = said(request, ResumeSerializer)
        with audited("resume", id, actor=actor_of(request), source="api", **options) as detail:
            before = found(workflows().only("epoch"), id).epoch
            durable.resume_workflow(id, **options)
            detail["changed"] = changed = found(workflows().only("epoch"), id).epoch != before
        return receipt(request, id, changed=changed)
