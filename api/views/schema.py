"""The description of this API for programs (OpenAPI 3.1) and its page for people."""

from __future__ import annotations

import threading
from functools import lru_cache
from importlib import import_module
from typing import Any

from django.apps import apps
from django.conf import settings
from django.http import Http404, HttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import render
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer2
from drf_spectacular.settings import SPECTACULAR_DEFAULTS, patched_settings
from drf_spectacular.types import OpenApiTypes

from durable.web import POLICY

from ..authentication import authenticators
from ..links import link
from ..permissions import MayViewSomething
from .endpoint import Endpoint, documented

OPENAPI: dict[str, Any] = {
    **{key: value for key, value in SPECTACULAR_DEFAULTS.items() if not key.startswith(("SERVE_", "DEFAULT_G"))},
    "OAS_VERSION": "3.1.0",
    "TITLE": "Durable",
    "VERSION": "1",
    "DESCRIPTION": "Durable workflows: what they do and did, and the verbs to start and to steer them.",
    "SCHEMA_PATH_PREFIX": "",
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "DISABLE_DOCSTRING_DESCRIPTIONS": False,
}
"""Every setting of drf-spectacular, so that the host's own change nothing here."""

_generating = threading.Lock()


class Schema(Endpoint):
    permission_classes = (MayViewSomething,)

    @documented(operation_id="get_schema", summary="This description", responses={200: OpenApiTypes.OBJECT})
    def get(self, request: Any) -> HttpResponse:
        mount = link(request, "schema").removesuffix("/schema")
        known = tuple(type(one) for one in authenticators())
        return HttpResponse(described(mount, known), content_type="application/json")


class Docs(Endpoint):
    permission_classes = (MayViewSomething,)
    schema = None

    def get(self, request: Any) -> HttpResponse:
        if not apps.is_installed("drf_spectacular_sidecar"):
            raise Http404
        header = settings.CSRF_HEADER_NAME.removeprefix("HTTP_").replace("_", "-")
        context = {"schema": link(request, "schema"), "csrf_header": header, "csrf_token": get_token(request)}
        page = render(request, "durable_api/docs.html", context)
        page.headers["Content-Security-Policy"] = POLICY
        return page


@lru_cache(maxsize=8)
def described(mount: str, known: tuple[type, ...]) -> bytes:
    """The schema of the API at the address `mount`, whose users authenticate in the ways `known`."""
    with _generating, patched_settings({**OPENAPI, "SERVERS": [{"url": mount or "/"}]}):
        routes = import_module("..urls", __package__)
        schema = SchemaGenerator(urlconf=routes).get_schema(public=True)
    return OpenApiJsonRenderer2().render(schema)
