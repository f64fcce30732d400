"""Queues."""

from __future__ import annotations

from typing import Any

from django.db.models import Count
from django.http import Http404
from rest_framework.response import Response

from durable.conf import conf
from durable.models import INTERNAL_QUEUE, Queue

from ..pagination import Keyset
from ..permissions import MayView
from ..serializers.pages import page_of
from ..serializers.queues import QueueDetailSerializer, QueueSerializer
from .endpoint import ID, PAGING, Endpoint, documented, only
from .workflows import workflows

BY_NAME = Keyset("name")


class Queues(Endpoint):
    permission_classes = (MayView,)

    @documented(
        operation_id="list_queues",
        summary="List queues by name",
        parameters=PAGING,
        responses={200: page_of(QueueSerializer)},
        problems=(400,),
    )
    def get(self, request: Any) -> Response:
        only(request)
        return self.page_response(BY_NAME.page(request, queues()), QueueSerializer, "queues")


class QueueView(Endpoint):
    permission_classes = (MayView,)

    @documented(
        operation_id="get_queue",
        summary="Look at one queue and count what is in it",
        parameters=[ID],
        responses={200: QueueDetailSerializer},
        problems=(404,),
    )
    def get(self, request: Any, id: str) -> Response:
        queue = queues().filter(name=id).first()
        if queue is None:
            raise Http404
        live = workflows().live().filter(queue=id).order_by().values_list("status").annotate(Count("id"))
        return Response(QueueDetailSerializer(queue, context=self.get_context() | {"counts": dict(live)}).data)


def queues() -> Any:
    """Those that people know: the internal one is shown as none."""
    return Queue.objects.using(conf().DATABASE).exclude(name=INTERNAL_QUEUE)
