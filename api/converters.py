"""Ids are free text; a path is not."""

from __future__ import annotations

from django.urls import register_converter
from django.urls.converters import get_converters

from durable.web import from_segment, to_segment


class IdConverter:
    """Any text in a path, as `durable.web.to_segment` writes it. A plain slash is taken as part of the id too,
    wherever no action follows it."""

    regex = "(?s:.+)"

    def to_python(self, value: str) -> str:
        """Raises `ValueError`, which makes the address unknown, for what is no text."""
        return from_segment(value)

    def to_url(self, value: str) -> str:
        return to_segment(value)


if "durable_api_id" not in get_converters():
    register_converter(IdConverter, "durable_api_id")
