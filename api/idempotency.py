"""The Idempotency-Key header: a request sent again finds what the first one made."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter

from durable.conf import conf
from durable.models import AuditEntry

from .errors import InvalidParameter

HEADER = "Idempotency-Key"
MAX_LENGTH = 1024


def key_parameter(description: str) -> OpenApiParameter:
    """The header in the schema; `description` says what the key becomes."""
    return OpenApiParameter(
        HEADER,
        {"type": "string", "maxLength": MAX_LENGTH, "pattern": "^[!-~]([ -~]*[!-~])?$"},
        OpenApiParameter.HEADER,
        description=f"{description} Visible ASCII, bare or in double quotes.",
    )


KEY = key_parameter(
    "Becomes the workflow's id when the body gives none: sent again, it attaches instead of starting anew."
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


def noted(key: str | None) -> dict[str, str]:
    """What the audit row of a request keeps of its key."""
    return {} if key is None else {"idempotency_key": key}


def done_before(kind: str, target: str, action: str, key: str | None) -> AuditEntry | None:
    """The audit row of the request that did this with this key: it is there when what it tells of is, and only then."""
    if key is None:
        return None
    entries = AuditEntry.objects.using(conf().DATABASE)
    return entries.filter(kind=kind, target=target, action=action, detail__idempotency_key=key).first()
