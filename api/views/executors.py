"""Executors."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef
from rest_framework.response import Response

from durable.conf import conf
from durable.models import Executor

from ..pagination import Keyset
from ..permissions import MayViewExecutors
from ..serializers.executors import ExecutorSerializer
from ..serializers.pages import page_of
from .endpoint import PAGING, Endpoint, documented, only

NEWEST_FIRST = Keyset("started_at", "id", newest_first=True)


class Executors(Endpoint):
    permission_classes = (MayViewExecutors,)

    @documented(
        operation_id="list_executors",
        summary="List executors, the latest started first",
        parameters=PAGING,
        responses={200: page_of(ExecutorSerializer)},
        problems=(400,),
    )
    def get(self, request: Any) -> Response:
        only(request)
        executors = Executor.objects.using(conf().DATABASE)
        living = executors.living().filter(pk=OuterRef("pk"))
        page = NEWEST_FIRST.page(request, executors.annotate(living=Exists(living)))
        return self.page_response(page, ExecutorSerializer, "executors")
