"""Queues: look at them, make one, change its limits, hold it."""

from __future__ import annotations

from typing import Any

from django.db.models import Count
from drf_spectacular.utils import OpenApiExample, OpenApiResponse
from rest_framework.response import Response

import durable
from durable.audit import audited
from durable.conf import conf
from durable.errors import QueueNotFound
from durable.models import INTERNAL_QUEUE, Queue

from ..authentication import actor_of
from ..errors import Conflict
from ..idempotency import key_parameter, noted, read_key
from ..links import link
from ..pagination import Keyset
from ..permissions import MayOperateQueues, MayViewQueues
from ..serializers.pages import page_of
from ..serializers.queues import LimitsSerializer, NewQueueSerializer, QueueDetailSerializer, QueueSerializer
from .endpoint import ID, PAGING, Endpoint, documented, only, said
from .rows import workflows

BY_NAME = Keyset("name")
KEY = key_parameter("Kept in the audit. The name alone makes a queue one: sent again, the request finds it.")
EXAMPLE = OpenApiExample("Slower", {"concurrency": 2, "limiter": {"limit": 50, "period": 30}}, request_only=True)


class Queues(Endpoint):
    permission_classes = (MayViewQueues,)
    action_permissions = (MayOperateQueues,)

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

    @documented(
        operation_id="create_queue",
        summary="Create a queue; running executors serve it within a poll",
        parameters=[KEY],
        request=NewQueueSerializer,
        responses={
            201: OpenApiResponse(QueueSerializer, "Created."),
            200: OpenApiResponse(QueueSerializer, "It is there, and declared so."),
        },
        problems=(400, 409, 415, 422),
    )
    def post(self, request: Any) -> Response:
        terms = said(request, NewQueueSerializer)
        name, key = terms.pop("name"), read_key(request)
        before = queues().filter(name=name).first()
        note = {"limits": terms, **noted(key)}
        with audited("register", name, actor=actor_of(request), source="api", kind="queue", **note):
            row = durable.register_queue(name, **terms)
            if before is not None and declaration(row) != declaration(before):
                raise Conflict(
                    f"There is a queue named {name!r} already, and it is declared otherwise. Change its limits."
                )
        return shown(self, name, status=201 if before is None else 200)


class QueueView(Endpoint):
    permission_classes = (MayViewQueues,)
    action_permissions = (MayOperateQueues,)

    @documented(
        operation_id="get_queue",
        summary="Look at one queue and count what is in it",
        parameters=[ID],
        responses={200: QueueDetailSerializer},
        problems=(404,),
    )
    def get(self, request: Any, id: str) -> Response:
        queue = found(id)
        live = workflows().live().filter(queue=id).order_by().values_list("status").annotate(Count("id"))
        return Response(QueueDetailSerializer(queue, context=self.get_context() | {"counts": dict(live)}).data)

    @documented(
        operation_id="change_queue",
        summary="Override limits of a queue, at once and for all executors",
        parameters=[ID],
        request=LimitsSerializer,
        examples=[EXAMPLE],
        responses={200: QueueSerializer},
        problems=(400, 404, 415, 422),
    )
    def patch(self, request: Any, id: str) -> Response:
        limits = said(request, LimitsSerializer)
        with audited("limits", found(id).name, actor=actor_of(request), source="api", kind="queue", limits=limits):
            durable.set_queue_limits(id, **limits)
        return shown(self, id)

    @documented(
        operation_id="delete_queue",
        summary="Delete a queue that holds no live workflow; one that code declares comes back with it",
        parameters=[ID],
        responses={204: OpenApiResponse(None, "Deleted.")},
        problems=(404, 422),
    )
    def delete(self, request: Any, id: str) -> Response:
        with audited("delete", found(id).name, actor=actor_of(request), source="api", kind="queue"):
            if not durable.delete_queue(id):
                raise absent(id)
        return Response(status=204)


class QueueOverride(Endpoint):
    permission_classes = (MayOperateQueues,)

    @documented(
        operation_id="clear_queue_override",
        summary="Put back in force what the code declares of a queue",
        parameters=[ID],
        responses={200: QueueSerializer},
        problems=(404,),
    )
    def delete(self, request: Any, id: str) -> Response:
        cleared = sorted(found(id).override)
        with audited("clear_limits", id, actor=actor_of(request), source="api", kind="queue", cleared=cleared):
            durable.clear_queue_limits(id)
        return shown(self, id)


class PauseQueue(Endpoint):
    permission_classes = (MayOperateQueues,)

    @documented(
        operation_id="pause_queue",
        summary="Start nothing more from a queue; what runs goes on",
        parameters=[ID],
        request=None,
        responses={200: QueueSerializer},
        problems=(404,),
    )
    def post(self, request: Any, id: str) -> Response:
        with audited("pause", found(id).name, actor=actor_of(request), source="api", kind="queue"):
            durable.pause_queue(id)
        return shown(self, id)


class ResumeQueue(Endpoint):
    permission_classes = (MayOperateQueues,)

    @documented(
        operation_id="resume_queue",
        summary="Serve a paused queue again",
        parameters=[ID],
        request=None,
        responses={200: QueueSerializer},
        problems=(404,),
    )
    def post(self, request: Any, id: str) -> Response:
        with audited("resume", found(id).name, actor=actor_of(request), source="api", kind="queue"):
            durable.resume_queue(id)
        return shown(self, id)


def queues() -> Any:
    """Those that people know: the internal one is shown as none."""
    return Queue.objects.using(conf().DATABASE).exclude(name=INTERNAL_QUEUE)


def found(name: str) -> Queue:
    """The queue of that name. Raises `QueueNotFound`."""
    queue = queues().filter(name=name).first()
    if queue is None:
        raise absent(name)
    return queue


def absent(name: str) -> QueueNotFound:
    return QueueNotFound(queue=name, known=", ".join(queues().values_list("name", flat=True)[:20]) or "none")


def declaration(queue: Queue) -> tuple[Any, ...]:
    return queue.declared, queue.partitioned, queue.priority_enabled


def shown(view: Endpoint, name: str, status: int = 200) -> Response:
    """The queue as it is after an action, and where it is."""
    headers = {"Location": link(view.request, "queue", id=name)}
    return Response(QueueSerializer(found(name), context=view.get_context()).data, status=status, headers=headers)
