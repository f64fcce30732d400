"""Ids are free text; a path segment is not."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

from django.urls import register_converter

SAFE = "!$&'()*+,;=:@"


class IdConverter:
    """Any text as one path segment: what a segment cannot hold is written `~2F`, in the way of `%2F`.

    A percent sign would not do, because servers decode it before Django looks: `a/cancel` must not read as an action.
    """

    regex = "[^/]+"

    def to_python(self, value: str) -> str:
        if re.search(r"~(?![0-9A-Fa-f]{2})", value):
            raise ValueError(value)
        text = unquote(value.replace("%", "%25").replace("~", "%"), errors="strict")
        if "\0" in text:
            raise ValueError(value)
        return text

    def to_url(self, value: str) -> str:
        text = quote(str(value), safe=SAFE).replace("~", "%7E").replace("%", "~")
        return text.replace(".", "~2E") if text in (".", "..") else text


register_converter(IdConverter, "durable_id")
