"""Ids are free text; a path is not."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote_to_bytes

from django.urls import register_converter
from django.urls.converters import get_converters

SAFE = "!$&'()*+,;=:@"
ESCAPE = re.compile("(?:~[0-9A-Fa-f]{2})+")


class IdConverter:
    """Any text in a path. What one segment cannot hold is written `~2F`, in the way of `%2F`.

    Servers decode `%2F` before Django looks, so that `a%2Fcancel` would read as an action on `a`; `~2F` says which
    slash belongs to the id. A plain slash is taken as part of the id too, wherever no action follows it.
    """

    regex = "(?s:.+)"

    def to_python(self, value: str) -> str:
        """Raises `ValueError`, which makes the address unknown, for bytes that are no UTF-8 and for U+0000."""
        text = ESCAPE.sub(lambda found: unquote_to_bytes(found[0].replace("~", "%")).decode(), value)
        if "\0" in text:
            raise ValueError(value)
        return text

    def to_url(self, value: str) -> str:
        text = quote(value.replace("~", "\0"), safe=SAFE).replace("%00", "%7E").replace("%", "~")
        return text.replace(".", "~2E") if text in (".", "..") else text


if "durable_api_id" not in get_converters():
    register_converter(IdConverter, "durable_api_id")
