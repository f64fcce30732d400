"""JSON that a person writes: read with the tags of Durable's own types, and never with those of an application."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from durable.errors import SerializationError
from durable.serializers.registry import BUILT_IN
from durable.serializers.tags import read_tagged

LONGEST = 1_000_000
"""Characters that a form takes."""


class JsonField(forms.CharField):
    """A field for JSON. Its clean value is what `read_json` makes of the text."""

    def __init__(self, rows: int = 6, **options: Any):
        widget = forms.Textarea({"rows": rows, "spellcheck": "false", "autocomplete": "off", "class": "d-mono"})
        super().__init__(max_length=LONGEST, widget=widget, **options)

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        return read_json(text) if text else None


def read_json(text: str) -> Any:
    """The value of a JSON text. Raises `ValidationError`, which says where it goes wrong.

    `{"$": "decimal", "v": "0.10"}` and the like are what Durable writes for types that JSON lacks. A tag that an
    application registered is refused: its class would be made here, in a process that only looks and steers.
    """
    try:
        return json.loads(text, parse_constant=refuse, object_hook=untag)
    except RecursionError:
        raise ValidationError("This is nested too deeply.") from None
    except json.JSONDecodeError as wrong:
        where = f"line {wrong.lineno}, column {wrong.colno}"
        raise ValidationError(f"This is no JSON, at {where}: {wrong.msg}. Text stands in double quotes.") from None
    except SerializationError as wrong:
        raise ValidationError(str(wrong)) from None
    except (ValueError, TypeError) as wrong:
        raise ValidationError(f"This is no JSON: {wrong}.") from None


def untag(found: dict[str, Any]) -> Any:
    tag = found.get("$")
    if "$" in found and not (isinstance(tag, str) and tag in BUILT_IN):
        raise ValidationError(f"The tag {tag!r} belongs to a type of the application, which the console does not make.")
    return read_tagged(found)


def refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")
