"""Addresses inside the API, relative to the host: what a client says in its Host header never ends up in one."""

from __future__ import annotations

from typing import Any

from django.urls import reverse


def link(request: Any, name: str, **parts: str) -> str:
    """The path of the route `name`, under whatever prefix and namespace the host mounted the API."""
    return reverse(f"{request.resolver_match.namespace}:{name}", kwargs=parts)
