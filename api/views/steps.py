"""The steps of a workflow."""

from __future__ import annotations

from typing import Any

from rest_framework.response import Response

from durable.conf import conf
from durable.models import Step

from ..pagination import Keyset
from ..permissions import MayView
from ..serializers.pages import page_of
from ..serializers.steps import StepSerializer
from .endpoint import ID, PAGING, Endpoint, documented, only
from .workflows import found, workflows

IN_ORDER = Keyset("seq")


class Steps(Endpoint):
    permission_classes = (MayView,)

    @documented(
        operation_id="list_steps",
        summary="List the steps of a workflow, in order",
        parameters=[ID, *PAGING],
        responses={200: page_of(StepSerializer)},
        problems=(400, 404),
    )
    def get(self, request: Any, id: str) -> Response:
        only(request)
        found(workflows().only("id"), id)
        steps = Step.objects.using(conf().DATABASE).filter(workflow_id=id)
        if not self.get_context()["payload"]:
            steps = steps.defer("output", "error")
        return self.page_response(IN_ORDER.page(request, steps), StepSerializer, "steps", id=id)
