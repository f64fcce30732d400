"""Liveness, for load balancers: the only route that is open to strangers, so it says nothing else."""

from __future__ import annotations

from typing import Any

from django.db import DatabaseError
from drf_spectacular.utils import inline_serializer
from rest_framework import serializers
from rest_framework.response import Response

from durable.conf import conf
from durable.errors import DatabaseAway
from durable.models import Queue

from ..permissions import Anybody
from .endpoint import Endpoint, documented

HEALTH = inline_serializer("Health", {"status": serializers.CharField(help_text="ok")})


class Health(Endpoint):
    permission_classes = (Anybody,)
    http_method_names = ["get", "head"]

    def get_authenticators(self) -> list[Any]:
        """None: a probe is nobody, and a wrong credential must not make a healthy server look ill."""
        return []

    @documented(
        operation_id="get_health",
        summary="Say whether this server and its database answer",
        auth=[],
        responses={200: HEALTH},
        common=(503,),
    )
    def get(self, request: Any) -> Response:
        try:
            Queue.objects.using(conf().DATABASE).exists()
        except DatabaseError as error:
            raise DatabaseAway(alias=conf().DATABASE, reason=type(error).__name__) from error
        return Response({"status": "ok"})
