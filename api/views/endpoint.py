"""What every route has in common, said here in full: the host's REST_FRAMEWORK settings change nothing."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from http import HTTPStatus
from typing import Any

from django.db import connections, transaction
from django.http import QueryDict
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from ..authentication import authenticate, authenticators, throttles
from ..errors import MEDIA_TYPE, InvalidParameter, problem_response
from ..links import link
from ..media import JsonParser, JsonRenderer, OnlyJson
from ..pagination import MAX_LIMIT, PAGE_PARAMETERS, Page
from ..permissions import may_see_payload
from ..serializers.problems import ProblemSerializer

HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}

COMMON = (401, 403, 503)
CHANGES = ("POST", "PUT", "PATCH", "DELETE")
FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")

ID = OpenApiParameter(
    "id",
    str,
    OpenApiParameter.PATH,
    description="The id or name, percent-encoded, but `/` written `~2F` and `~` written `~7E` (the ids `.` and `..` "
    "written `~2E` and `~2E~2E`), because servers decode `%2F` too early. The `url` of every answer is written so.",
)
PAGING = [
    OpenApiParameter(
        "cursor",
        {"type": "string", "minLength": 1},
        description="Where the page begins: the `cursor` of the page before.",
    ),
    OpenApiParameter(
        "limit", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": 100}, description="Rows of a page."
    ),
]


class Description(AutoSchema):
    """How a route is described: by its summary alone, for docstrings of views speak to their maintainers."""

    def get_description(self) -> str:
        return ""

    def get_tags(self) -> list[str]:
        return ["workflows" if tag in ("bulk", "import") else tag for tag in super().get_tags()]


class Endpoint(APIView):
    """A route of the API. Each subclass names its `permission_classes`, and `action_permissions` for what changes."""

    http_method_names = ["get", "head", "post", "put", "patch", "delete"]
    action_permissions: tuple[type, ...] = ()
    renderer_classes = (JsonRenderer,)
    parser_classes = (JsonParser,)
    content_negotiation_class = OnlyJson
    metadata_class = None
    versioning_class = None
    schema = Description()

    @classmethod
    def as_view(cls, **options: Any) -> Callable[..., Any]:
        """The view, outside of the host's ATOMIC_REQUESTS: what an action acknowledges is committed."""
        view = super().as_view(**options)
        for alias in connections:
            view = transaction.non_atomic_requests(using=alias)(view)
        return view

    def get_authenticators(self) -> list[Any]:
        return authenticators()

    def perform_authentication(self, request: Any) -> None:
        authenticate(request)

    def get_permissions(self) -> list[Any]:
        acts = self.request.method in CHANGES and hasattr(self, self.request.method.lower()) and self.action_permissions
        return [permission() for permission in acts or self.permission_classes]

    def get_throttles(self) -> list[Any]:
        return throttles()

    def get_exception_handler(self) -> Any:
        return problem_response

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    def get_context(self) -> dict[str, Any]:
        """What serializers know: the request, and whether its user may see payloads."""
        return {"request": self.request, "payload": self.may_see_payload}

    @cached_property
    def may_see_payload(self) -> bool:
        return may_see_payload(self.request)

    def page_response(self, page: Page, serializer: Any, name: str, more: Any = None, **parts: str) -> Response:
        """One page of a list, and the address of the next. `more` is for the serializer's context."""
        following = None
        if page.cursor:
            query: QueryDict = self.request.query_params.copy()
            query["cursor"] = page.cursor
            following = f"{link(self.request, name, **parts)}?{query.urlencode()}"
        results = serializer(page.rows, many=True, context=self.get_context() | (more or {})).data
        return Response({"results": results, "cursor": page.cursor, "next": following})


def documented(
    *, problems: tuple[int, ...] = (), common: tuple[int, ...] = COMMON, **said: Any
) -> Callable[[Any], Any]:
    """Describe a method in the schema. `problems` are its own refusals, beside those in common."""

    def describe(method: Any) -> Any:
        # Without this, extend_schema would build on the host's DEFAULT_SCHEMA_CLASS.
        method.kwargs = {"schema": Description}
        refused = {
            (status, MEDIA_TYPE): OpenApiResponse(ProblemSerializer, f"{HTTPStatus(status).phrase}.")
            for status in sorted({*common, *problems})
        }
        return extend_schema(**{**said, "responses": {**said["responses"], **refused}})(method)

    return describe


def said(request: Any, serializer: type[BaseSerializer]) -> dict[str, Any]:
    """What the body says, once it is valid. No body, or an empty form, says nothing."""
    try:
        body = request.data
    except UnsupportedMediaType:
        if request.content_type.split(";")[0] not in FORMS or request._request.POST or request._request.FILES:
            raise
        body = {}
    read = serializer(data=body)
    read.is_valid(raise_exception=True)
    return dict(read.validated_data)


def only(request: Any, *known: str, paging: tuple[str, ...] = PAGE_PARAMETERS) -> None:
    """Refuse parameters that would silently do nothing: a slip in a filter must not list everything."""
    for name in request.query_params:
        if name not in (*known, *paging):
            raise InvalidParameter(name, f"It is unknown here. Known are {', '.join((*known, *paging)) or 'none'}.")
        if not all(value.strip() for value in request.query_params.getlist(name)):
            raise InvalidParameter(name, "It is blank. Give it a value or leave it out.")


def flag(request: Any, name: str) -> bool:
    """Whether a query parameter says yes: 1 or true; 0, false or nothing says no."""
    text = request.query_params.get(name, "0").lower()
    if text not in ("0", "1", "false", "true"):
        raise InvalidParameter(name, "Give 1 or 0.")
    return text in ("1", "true")
