"""The runs of a workflow that did not simply succeed."""

from __future__ import annotations

from typing import Any

from rest_framework.response import Response

from durable.models import Attempt

from ..pagination import Keyset
from ..permissions import MayView
from ..serializers.attempts import AttemptSerializer
from ..serializers.pages import page_of
from .endpoint import ID, PAGING, Endpoint, documented, only
from .rows import rows_of

IN_ORDER = Keyset("id")


class Attempts(Endpoint):
    permission_classes = (MayView,)

    @documented(
        operation_id="list_attempts",
        summary="List the runs of a workflow that were lost, let go, cancelled or resumed, or that failed",
        parameters=[ID, *PAGING],
        responses={200: page_of(AttemptSerializer)},
        problems=(400, 404),
    )
    def get(self, request: Any, id: str) -> Response:
        only(request)
        page = IN_ORDER.page(request, rows_of(self, Attempt, id))
        return self.page_response(page, AttemptSerializer, "attempts", id=id)
