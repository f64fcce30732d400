"""Addresses that do not exist: closed to strangers like all others, and a problem for the rest."""

from __future__ import annotations

from typing import Any

from django.http import Http404

from ..permissions import MayViewSomething
from .endpoint import Endpoint


class Missing(Endpoint):
    permission_classes = (MayViewSomething,)
    schema = None
    http_method_names = ["get", "head", "post", "put", "patch", "delete", "options"]

    def get(self, request: Any, path: str) -> Any:
        raise Http404

    post = put = patch = delete = options = get
