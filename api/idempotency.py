"""The Idempotency-Key header: a request sent again finds what the first one made."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter

from .errors import InvalidParameter

HEADER = "Idempotency-Key"
MAX_LENGTH = 1024

KEY = OpenApiParameter(
    HEADER,
    {"type": "string", "maxLength": MAX_LENGTH, "pattern": "^[!-~]([ -~]*[!-~])?$"},
    OpenApiParameter.HEADER,
    description="Becomes the workflow's id when the body gives none: sent again, it attaches instead of starting anew. "
    "Visible ASCII, bare or in double quotes.",
)


def read_key(request: Any) -> str | None:
    """The key, or None when there is none. Quotes around it are those of RFC 8941 and no part of it."""
    key = request.headers.get(HEADER)
    if key is None:
        return None
    key = key.strip()
    if key[:1] == key[-1:] == '"' and key[1:-1].strip():
        key = key[1:-1]
    if not (key and key.isascii() and key.isprintable() and len(key) <= MAX_LENGTH):
        raise InvalidParameter(HEADER, f"Give 1 to {MAX_LENGTH} visible ASCII characters.")
    return key
