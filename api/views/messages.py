"""The messages to a workflow."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from rest_framework.response import Response

import durable
from durable.audit import audited
from durable.chance import chance
from durable.conf import conf
from durable.models import Message

from ..authentication import actor_of
from ..idempotency import key_parameter, read_key
from ..pagination import Keyset
from ..permissions import MayOperate, MayView
from ..serializers.messages import MessageSerializer, SendSerializer
from ..serializers.pages import page_of
from .endpoint import ID, PAGING, Endpoint, documented, flag, only, said
from .rows import rows_of

IN_ORDER = Keyset("id")

WAITING = OpenApiParameter(
    "waiting", {"type": "integer", "enum": [0, 1], "default": 0}, description="1: only those that nobody has received."
)
EXAMPLE = OpenApiExample("A payment", {"topic": "payment", "message": {"paid": True}}, request_only=True)


class Messages(Endpoint):
    permission_classes = (MayView,)
    action_permissions = (MayOperate,)

    @documented(
        operation_id="list_messages",
        summary="List the messages to a workflow, in the order of arrival",
        parameters=[ID, WAITING, *PAGING],
        responses={200: page_of(MessageSerializer)},
        problems=(400, 404),
    )
    def get(self, request: Any, id: str) -> Response:
        only(request, "waiting")
        messages = rows_of(self, Message, id, "body")
        if flag(request, "waiting"):
            messages = messages.filter(consumed_seq__isnull=True)
        return self.page_response(IN_ORDER.page(request, messages), MessageSerializer, "messages", id=id)

    @documented(
        operation_id="send_message",
        summary="Send a message to a workflow, which wakes when it waits for one on that topic",
        parameters=[ID, key_parameter("Makes the message unique for the workflow: sent again, it is dropped.")],
        request=SendSerializer,
        examples=[EXAMPLE],
        responses={
            201: OpenApiResponse(MessageSerializer, "Stored."),
            200: OpenApiResponse(MessageSerializer, "Dropped: this one came with the same key before."),
        },
        problems=(400, 404, 413, 415, 422),
    )
    def post(self, request: Any, id: str) -> Response:
        letter = said(request, SendSerializer)
        key = read_key(request) or chance.new_id()
        sent = Message.objects.using(conf().DATABASE).filter(workflow_id=id, key=key)
        with audited("send", id, actor=actor_of(request), source="api", topic=letter.get("topic"), key=key) as detail:
            detail["changed"] = is_new = not sent.exists()
            durable.send(id, letter["message"], letter.get("topic"), idempotency_key=key)
        shown = MessageSerializer(sent.get(), context=self.get_context()).data
        return Response(shown, status=201 if is_new else 200)
