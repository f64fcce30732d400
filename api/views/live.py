"""A stream as it is written: server-sent events.

Under ASGI an answer lasts until the stream ends and holds neither a thread nor a database connection while nothing
comes. Under WSGI it would hold both, so that it tells what is there, says when to ask again, and ends.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.db import InterfaceError, OperationalError, close_old_connections, connections
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse

from durable.backends.backend import backend
from durable.conf import conf
from durable.errors import WorkflowNotFound
from durable.executor.hub import hub
from durable.executor.outside import until_changed

from ..errors import InvalidParameter
from ..media import JsonRenderer
from ..pagination import MAX_INTEGER
from ..permissions import MayView
from ..serializers.streams import StreamEntrySerializer
from .endpoint import ID, Endpoint, documented, only
from .rows import found, workflows
from .streams import KEY, OFFSET, Part, read_offset

logger = logging.getLogger("durable.api")

MEDIA_TYPE = "text/event-stream"
BATCH = 100
RETRY_MILLISECONDS = 2000
HEARTBEAT_SECONDS = 15.0
LIFETIME_SECONDS = 600.0
"""After this the client has to ask again, so that nobody follows for longer whose permission was taken away."""
NOTIFIED_POLL_SECONDS = 5.0
COALESCE_SECONDS = 0.02
END = "end"

LAST_EVENT_ID = OpenApiParameter(
    "Last-Event-ID",
    {"type": "string", "pattern": "^([0-9]{1,10}|end)$"},
    OpenApiParameter.HEADER,
    description="The `id` that came last, which a browser sends by itself: goes on after it. Comes before `offset`.",
)


class LiveStream(Endpoint):
    permission_classes = (MayView,)

    @documented(
        operation_id="follow_stream",
        summary="Follow a stream as it is written (server-sent events)",
        parameters=[ID, KEY, OFFSET, LAST_EVENT_ID],
        responses={
            (200, MEDIA_TYPE): OpenApiResponse(
                OpenApiTypes.STR,
                "Each value is an event whose `id` is its offset and whose `data` is a StreamEntry. An event `end` "
                "follows the last one, with `offset`, `reason` (closed, ended, deleted) and the workflow's `status`. "
                "An answer without it was cut short: ask again.",
            ),
            204: OpenApiResponse(None, "The `end` has been told already: do not ask again."),
        },
        problems=(400, 404),
    )
    def get(self, request: Any, id: str, key: str) -> HttpResponseBase:
        only(request, "offset", paging=())
        told = request.headers.get("Last-Event-ID", "").strip()
        offset = position_after(told) if told and told != END else read_offset(request)
        found(workflows().only("id"), id)
        if told == END:
            return HttpResponse(status=204)
        following = Following(id, key, offset, self.may_see_payload)
        if request.method == "HEAD":
            return HttpResponse(content_type=MEDIA_TYPE)
        is_async = isinstance(request._request, ASGIRequest)
        answer = StreamingHttpResponse(following.live() if is_async else following.now(), content_type=MEDIA_TYPE)
        answer.headers["X-Accel-Buffering"] = "no"
        answer.headers["Content-Encoding"] = "identity"  # a middleware that compresses would hold events back
        if is_async:
            let_go()
        return answer


def position_after(event: str) -> int:
    """The offset after the event that came last."""
    if not (event.isascii() and event.isdecimal() and len(event) < 11 and int(event) < MAX_INTEGER):
        raise InvalidParameter("Last-Event-ID", 'Give the id of an event of this stream, or "end".')
    return int(event) + 1


def let_go() -> None:
    """Give back this thread's connections: the request goes on for long, and what follows uses others."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()


@dataclass
class Following:
    """One reader of one stream, and where it stands."""

    workflow: str
    key: str
    offset: int
    payload: bool
    is_over: bool = False
    last_sent: float = field(default_factory=time.monotonic)

    def now(self) -> Iterator[str]:
        """What is there, and when to ask again."""
        yield retry()
        until = time.monotonic() + HEARTBEAT_SECONDS
        goes_on = True
        while goes_on and not self.is_over and time.monotonic() < until:
            events, goes_on = self._look()
            yield from events

    async def live(self) -> AsyncIterator[str]:
        """What is there, and then what comes, with a comment now and then so that nobody takes silence for death."""
        until = time.monotonic() + LIFETIME_SECONDS
        yield retry()
        try:
            while not self.is_over and time.monotonic() < until:
                since = hub().mark()
                events, goes_on = await sync_to_async(self._look_once, thread_sensitive=False)()
                for event in events:
                    yield event
                if events:
                    self.last_sent = time.monotonic()
                if not (goes_on or self.is_over):
                    async for comment in self._patience(since):
                        yield comment
        except (OperationalError, InterfaceError) as error:
            logger.error("The database does not answer.", exc_info=error)

    async def _patience(self, since: int) -> AsyncIterator[str]:
        """Wait for a change, or until it is time to look anyway: polling makes it correct."""
        seconds = NOTIFIED_POLL_SECONDS if backend().listens else conf().POLL_SECONDS
        heartbeat = self.last_sent + HEARTBEAT_SECONDS - time.monotonic()
        if await until_changed([f"w:{self.workflow}", f"v:{self.workflow}"], since, min(seconds, heartbeat)):
            await asyncio.sleep(COALESCE_SECONDS)  # what is written in one breath goes out in one look
        elif heartbeat <= seconds:
            self.last_sent = time.monotonic()
            yield ": heartbeat\n\n"

    def _look_once(self) -> tuple[list[str], bool]:
        """`_look` in a thread that serves many readers: it keeps a connection only where the host wants it kept."""
        try:
            return self._look()
        finally:
            close_old_connections()

    def _look(self) -> tuple[list[str], bool]:
        """The events since the last look, and whether more are there already."""
        try:
            part = Part.read(self.workflow, self.key, self.offset, BATCH, payload=self.payload)
        except WorkflowNotFound:
            return [self._end("deleted", None)], False
        shown = StreamEntrySerializer(part.values, many=True, context={"payload": self.payload}).data
        events = [event(entry, id=entry["offset"]) for entry in shown]
        self.offset = part.after
        if part.is_last:
            events.append(self._end("closed" if part.is_closed else "ended", part.status))
        return events, part.goes_on

    def _end(self, reason: str, status: str | None) -> str:
        self.is_over = True
        return event({"offset": self.offset, "reason": reason, "status": status}, name=END, id=END)


def event(data: Any, *, id: Any, name: str | None = None) -> str:
    """One server-sent event. JSON in ASCII has no line breaks, so that it is one line."""
    named = f"event: {name}\n" if name else ""
    return f"{named}id: {id}\ndata: {JsonRenderer().render(data).decode()}\n\n"


def retry() -> str:
    return f"retry: {RETRY_MILLISECONDS}\n\n"
