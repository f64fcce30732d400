"""Ids are free text; a path segment is not."""

from __future__ import annotations

import re

from django.urls import register_converter

from durable.web import from_segment, to_segment

EMPTY = "~"


class IdConverter:
    """Any text as one path segment, as `durable.web.to_segment` writes it; a lone "~" is the empty text."""

    regex = "[^/]+"

    def to_python(self, value: str) -> str:
        if value == EMPTY:
            return ""
        if re.search(r"~(?![0-9A-Fa-f]{2})", value):
            raise ValueError(value)
        return from_segment(value)

    def to_url(self, value: str) -> str:
        return to_segment(str(value)) or EMPTY


register_converter(IdConverter, "durable_id")
