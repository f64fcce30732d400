"""Ids are free text; a path segment is not."""

from __future__ import annotations

import re

from django.urls import register_converter

from durable.web import from_segment, to_segment


class IdConverter:
    """Any text as one path segment, as `durable.web.to_segment` writes it."""

    regex = "[^/]+"

    def to_python(self, value: str) -> str:
        if re.search(r"~(?![0-9A-Fa-f]{2})", value):
            raise ValueError(value)
        return from_segment(value)

    def to_url(self, value: str) -> str:
        return to_segment(str(value))


register_converter(IdConverter, "durable_id")
