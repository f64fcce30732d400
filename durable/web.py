"""What the faces share: the strict policy of their pages, and ids in addresses."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote_to_bytes

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "font-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
"""Nothing inline, nothing foreign, nothing framed."""

SAFE = "!$&'()*+,;=:@"
ESCAPE = re.compile("(?:~[0-9A-Fa-f]{2})+")


def to_segment(text: str) -> str:
    """Any text as one path segment: what a segment cannot hold is written `~2F`, in the way of `%2F`.

    A percent sign would not do, because servers decode it before Django looks: `a/cancel` must not read as an action.
    """
    segment = quote(text, safe=SAFE).replace("~", "%7E").replace("%", "~")
    return segment.replace(".", "~2E") if segment in (".", "..") else segment


def from_segment(segment: str) -> str:
    """The text of a segment. Raises `ValueError` for bytes that are no UTF-8 and for U+0000."""
    text = ESCAPE.sub(lambda found: unquote_to_bytes(found[0].replace("~", "%")).decode(), segment)
    if "\0" in text:
        raise ValueError(segment)
    return text
