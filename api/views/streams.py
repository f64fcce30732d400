"""The streams of a workflow, and the values of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from django.db.models import BooleanField, ExpressionWrapper, OuterRef, Q, QuerySet, Subquery
from drf_spectacular.utils import OpenApiParameter
from rest_framework.response import Response

from durable.conf import conf
from durable.models import StreamEntry
from durable.states import FINAL

from ..links import link
from ..pagination import MAX_INTEGER, Keyset, read_limit, read_whole
from ..permissions import MayView
from ..serializers.pages import page_of
from ..serializers.streams import StreamEntrySerializer, StreamPartSerializer, StreamSerializer
from .endpoint import ID, PAGING, Endpoint, documented, only
from .rows import found, rows_of, workflows

BY_KEY = Keyset("key")

KEY = OpenApiParameter(
    "key", str, OpenApiParameter.PATH, description="The stream's key, written in the same way as the id."
)
OFFSET = OpenApiParameter(
    "offset",
    {"type": "integer", "minimum": 0, "maximum": MAX_INTEGER, "default": 0},
    description="The first value to show.",
)


class Streams(Endpoint):
    permission_classes = (MayView,)

    @documented(
        operation_id="list_streams",
        summary="List the streams of a workflow by key",
        parameters=[ID, *PAGING],
        responses={200: page_of(StreamSerializer)},
        problems=(400, 404),
    )
    def get(self, request: Any, id: str) -> Response:
        only(request)
        # Offsets have no gap, so each stream has one first entry, and the last one tells how many there are.
        firsts = rows_of(self, StreamEntry, id).filter(offset=0).defer("value")
        last = ends().filter(workflow_id=id, key=OuterRef("key")).order_by("-offset")[:1]
        streams = firsts.annotate(
            last_offset=Subquery(last.values("offset")),
            last_at=Subquery(last.values("created_at")),
            closed=Subquery(last.values("is_end")),
        )
        return self.page_response(BY_KEY.page(request, streams), StreamSerializer, "streams", id=id)


class Stream(Endpoint):
    permission_classes = (MayView,)

    @documented(
        operation_id="read_stream",
        summary="Read the values of a stream from an offset on, as far as they are written",
        parameters=[ID, KEY, OFFSET, PAGING[1]],
        responses={200: StreamPartSerializer},
        problems=(400, 404),
    )
    def get(self, request: Any, id: str, key: str) -> Response:
        only(request, "offset", "limit", paging=())
        offset, limit = read_offset(request), read_limit(request.query_params.get("limit"))
        part = Part.read(id, key, offset, limit, payload=self.may_see_payload)
        following = None
        if part.goes_on:
            query = request.query_params.copy()
            query["offset"] = str(part.after)
            following = f"{link(request, 'stream', id=id, key=key)}?{query.urlencode()}"
        results = StreamEntrySerializer(part.values, many=True, context=self.get_context()).data
        closed = part.is_last
        return Response({"results": results, "offset": part.after, "next": following, "closed": closed})


def read_offset(request: Any) -> int:
    return read_whole("offset", request.query_params.get("offset", "0"), 0, MAX_INTEGER)


@dataclass(frozen=True)
class Part:
    """Some values of a stream, and what comes after them."""

    values: list[StreamEntry]
    after: int
    """The offset that follows."""
    goes_on: bool
    """Whether more is there now."""
    is_closed: bool
    """Whether the workflow has closed the stream."""
    status: str
    """That of the workflow."""

    @property
    def is_last(self) -> bool:
        """Whether nothing can come after: the stream is closed, or its workflow has ended."""
        return not self.goes_on and (self.is_closed or self.status in FINAL)

    @classmethod
    def read(cls, pk: str, key: str, offset: int, limit: int, *, payload: bool) -> Self:
        """At most `limit` values from `offset` on. Without `payload` the values themselves are not even read.

        Raises `WorkflowNotFound`.
        """
        # The workflow before its entries: once it has ended, the entries that are read then are all.
        status = found(workflows().only("id", "status"), pk).status
        entries = ends().filter(workflow_id=pk, key=key)
        rows = list((entries if payload else entries.defer("value")).filter(offset__gte=offset)[: limit + 1])
        values = [row for row in rows[:limit] if not row.is_end]
        goes_on = len(rows) > limit and not rows[limit].is_end
        last = None if goes_on else entries.defer("value").order_by("-offset").first()
        after = values[-1].offset + 1 if values else offset
        return cls(values, after, goes_on, last is not None and last.is_end, status)


def ends() -> QuerySet[StreamEntry]:
    """Entries in order; `is_end` marks the one that closes its stream."""
    is_end = ExpressionWrapper(Q(value__isnull=True), BooleanField())
    return StreamEntry.objects.using(conf().DATABASE).annotate(is_end=is_end).order_by("offset")
