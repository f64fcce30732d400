"""The events of a workflow."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef
from drf_spectacular.utils import OpenApiParameter
from rest_framework.response import Response

from durable.conf import conf
from durable.models import Event

from ..pagination import Keyset
from ..permissions import MayView
from ..serializers.events import EventSerializer
from ..serializers.pages import page_of
from .endpoint import ID, PAGING, Endpoint, documented, flag, only
from .rows import rows_of

BY_KEY = Keyset("key", "seq")

HISTORY = OpenApiParameter(
    "history", {"type": "integer", "enum": [0, 1], "default": 0}, description="1: also the values that were replaced."
)


class Events(Endpoint):
    permission_classes = (MayView,)

    @documented(
        operation_id="list_events",
        summary="List the values that a workflow has published, by key; with their history in order",
        parameters=[ID, HISTORY, *PAGING],
        responses={200: page_of(EventSerializer)},
        problems=(400, 404),
    )
    def get(self, request: Any, id: str) -> Response:
        only(request, "history")
        events = rows_of(self, Event, id, "value")
        if not flag(request, "history"):
            later = Event.objects.using(conf().DATABASE).filter(
                workflow_id=id, key=OuterRef("key"), seq__gt=OuterRef("seq")
            )
            events = events.filter(~Exists(later))
        return self.page_response(BY_KEY.page(request, events), EventSerializer, "events", id=id)
