"""Fields that look the same whatever the host's REST_FRAMEWORK settings say."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from ..payloads import plain

ANYTHING: dict[str, Any] = {}
"""The schema of any JSON value."""


class Moment(serializers.DateTimeField):
    """A point in time: ISO 8601 in UTC."""

    def __init__(self, **options: Any):
        super().__init__(format="iso-8601", default_timezone=UTC, **options)


@extend_schema_field(ANYTHING)
class Json(serializers.Field):
    """Any JSON, as it is."""

    def run_validation(self, data: Any = None) -> Any:
        """As it is, null included: `allow_null` would say so too, but makes the schema refuse null."""
        return data

    def to_representation(self, value: Any) -> Any:
        return value


@extend_schema_field(
    {
        "description": "Plain JSON as stored; types that JSON lacks are objects such as "
        '`{"$": "datetime", "v": "2026-11-20T10:00:00+00:00"}`. Null when `payload` is "hidden". '
        'Text that is not JSON comes as `{"undecodable": true, "text": "..."}`.'
    }
)
class Stored(serializers.Field):
    """A payload column, which is JSON text. Without the right to see it, it is not even read."""

    def get_attribute(self, instance: Any) -> Any:
        return super().get_attribute(instance) if self.context.get("payload") else None

    def to_representation(self, value: Any) -> Any:
        return plain(value)


@extend_schema_field({"type": "string", "enum": ["visible", "hidden"]})
class Payload(serializers.Field):
    """Whether the payload fields beside it are shown: that takes the permission durable.view_payload."""

    def __init__(self, **options: Any):
        super().__init__(source="*", read_only=True, **options)

    def to_representation(self, value: Any) -> str:
        return "visible" if self.context.get("payload") else "hidden"


@extend_schema_field(OpenApiTypes.STR)
class Text(serializers.CharField):
    """Text exactly as sent: not trimmed, and no number passes for one."""

    def __init__(self, **options: Any):
        super().__init__(trim_whitespace=False, **options)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Whole(serializers.IntegerField):
    """An integer: neither text nor true."""

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:
            self.fail("invalid")
        return super().to_internal_value(data)


class Seconds(serializers.FloatField):
    """A number of seconds, neither text nor true."""

    def to_internal_value(self, data: Any) -> float:
        if type(data) not in (int, float):
            self.fail("invalid")
        return super().to_internal_value(data)
