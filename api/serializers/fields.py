"""Fields that look the same whatever the host's REST_FRAMEWORK settings say."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from ..links import link
from ..payloads import plain

MAX_TEXT = 1024
EARLIEST_YEAR, LATEST_YEAR = 1970, 9000

ANYTHING: dict[str, Any] = {}
"""The schema of any JSON value."""


@extend_schema_field(OpenApiTypes.STR)
class Address(serializers.Field):
    """Where something of the row is found: the path of a route that takes its primary key."""

    def __init__(self, route: str, **options: Any):
        self.route = route
        super().__init__(source="pk", read_only=True, **{"help_text": f"Address of its {route}.", **options})

    def to_representation(self, value: Any) -> str:
        return link(self.context["request"], self.route, id=value)


class Moment(serializers.DateTimeField):
    """A point in time: ISO 8601 in UTC."""

    def __init__(self, **options: Any):
        super().__init__(format="iso-8601", default_timezone=UTC, **options)

    def to_internal_value(self, value: Any) -> datetime:
        """Text alone; a naive time is UTC. What a database or a clock elsewhere could not hold is refused."""
        if not isinstance(value, str):
            self.fail("invalid", format=self.input_help)
        moment = super().to_internal_value(value)
        if not EARLIEST_YEAR <= moment.year < LATEST_YEAR:
            self.fail("invalid", format=self.input_help)
        return moment

    input_help = f"an ISO 8601 time of the years {EARLIEST_YEAR} to {LATEST_YEAR - 1}"


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


class Said(serializers.Serializer):
    """A body. A field that is not known is an error: a slip must not silently do something else."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict) and (unknown := sorted(set(data) - set(self.fields))):
            known = ", ".join(self.fields) or "none"
            raise serializers.ValidationError({name: [f"Unknown. Known are {known}."] for name in unknown})
        return super().to_internal_value(data)


class Flag(serializers.BooleanField):
    """True or false, and nothing that only looks like it."""

    def to_internal_value(self, data: Any) -> bool:
        if type(data) is not bool:
            self.fail("invalid", input=data)
        return data


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
