"""Web frameworks: launched and ended with the server, and workflow IDs from a header."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import Any

from .apart import closing
from .blocks import SetWorkflowID
from .error import DBOSNotAuthorizedError

HEADER = "dbos-workflow-id"
"""A request that has it names the workflow that it starts."""

Scope = dict[str, Any]
Send = Callable[[Any], Awaitable[None]]
Receive = Callable[[], Awaitable[Any]]


def serve_asgi(app: Any, dbos: Any) -> None:
    """Let a FastAPI application launch DBOS when its server starts, and end it when that stops."""
    app.add_middleware(Middleware, dbos=dbos)
    if hasattr(app, "add_exception_handler"):
        app.add_exception_handler(DBOSNotAuthorizedError, _denied)


def serve_wsgi(app: Any) -> None:
    """Let a Flask application read workflow IDs from its requests."""
    inner = app.wsgi_app

    def call(environ: dict[str, Any], start_response: Any) -> Any:
        with _named(environ.get("HTTP_DBOS_WORKFLOW_ID")):
            return inner(environ, start_response)

    app.wsgi_app = call


class Middleware:
    """ASGI middleware. A program that has launched DBOS itself, or does so later, loses nothing by it."""

    def __init__(self, app: Any, dbos: Any):
        self.app, self.dbos = app, dbos

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
        elif scope["type"] == "http":
            with _named(_header(scope)):
                await self.app(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def hear() -> Any:
            message = await receive()
            if message["type"] == "lifespan.startup" and not self.dbos.is_launched():
                await asyncio.to_thread(closing(self.dbos.launch))
            return message

        async def say(message: Any) -> None:
            if message["type"].startswith("lifespan.shutdown"):
                await asyncio.to_thread(closing(self.dbos.destroy))
            await send(message)

        await self.app(scope, hear, say)


def _header(scope: Scope) -> str | None:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name.decode() == HEADER), None)


def _named(workflow_id: str | None) -> Any:
    return SetWorkflowID(workflow_id) if workflow_id else nullcontext()


async def _denied(request: Any, error: Any) -> Any:
    from starlette.responses import JSONResponse

    return JSONResponse({"message": error.message, "dbos_error_code": error.dbos_error_code}, error.status_code)
