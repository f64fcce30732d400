"""The steps of a workflow, and the tries of steps that failed."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from rest_framework.response import Response

from durable.models import Step, StepAttempt

from ..pagination import Keyset
from ..permissions import MayView
from ..serializers.pages import page_of
from ..serializers.steps import StepAttemptSerializer, StepSerializer
from .endpoint import ID, PAGING, Endpoint, documented, only
from .rows import rows_of

IN_ORDER = Keyset("seq")
BY_TRY = Keyset("seq", "n")


class Steps(Endpoint):
    permission_classes = (MayView,)

    @documented(
        operation_id="list_steps",
        summary="List the steps of a workflow, in order, each with its failed tries",
        parameters=[ID, *PAGING],
        responses={200: page_of(StepSerializer)},
        problems=(400, 404),
    )
    def get(self, request: Any, id: str) -> Response:
        only(request)
        page = IN_ORDER.page(request, rows_of(self, Step, id, "output", "error"))
        more = {"failed": self.failed_tries(id, [step.seq for step in page.rows if step.attempts > 1])}
        return self.page_response(page, StepSerializer, "steps", more, id=id)

    def failed_tries(self, id: str, slots: list[int]) -> dict[int, list[StepAttempt]]:
        failed = defaultdict(list)
        if slots:
            for one in rows_of(self, StepAttempt, id, "error").filter(seq__in=slots).order_by("seq", "n"):
                failed[one.seq].append(one)
        return failed


class StepAttempts(Endpoint):
    permission_classes = (MayView,)

    @documented(
        operation_id="list_step_attempts",
        summary="List the failed tries of a workflow's steps, also of a step that is still being tried",
        parameters=[ID, *PAGING],
        responses={200: page_of(StepAttemptSerializer)},
        problems=(400, 404),
    )
    def get(self, request: Any, id: str) -> Response:
        only(request)
        page = BY_TRY.page(request, rows_of(self, StepAttempt, id, "error"))
        return self.page_response(page, StepAttemptSerializer, "step-attempts", id=id)
