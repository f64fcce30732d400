"""The events of a workflow."""

from __future__ import annotations

from typing import Any

from rest_framework.response import Response

from durable.conf import conf
from durable.models import Event

from ..pagination import Keyset
from ..permissions import MayView
from ..serializers.events import EventSerializer
from ..serializers.pages import page_of
from .endpoint import ID, PAGING, Endpoint, documented, only
from .workflows import found, workflows

BY_KEY = Keyset("key", "seq")


class Events(Endpoint):
    permission_classes = (MayView,)

    @documented(
        operation_id="list_events",
        summary="List the values that a workflow has published, by key and then in order",
        parameters=[ID, *PAGING],
        responses={200: page_of(EventSerializer)},
        problems=(400, 404),
    )
    def get(self, request: Any, id: str) -> Response:
        only(request)
        found(workflows().only("id"), id)
        events = Event.objects.using(conf().DATABASE).filter(workflow_id=id)
        if not self.get_context()["payload"]:
            events = events.defer("value")
        return self.page_response(BY_KEY.page(request, events), EventSerializer, "events", id=id)
