"""The envelope of a list."""

from typing import Any

from drf_spectacular.utils import inline_serializer
from rest_framework import serializers


def page_of(serializer: type[serializers.Serializer]) -> Any:
    """The schema of a page of what `serializer` represents."""
    return inline_serializer(
        name=f"{serializer.__name__.removesuffix('Serializer')}Page",
        fields={
            "results": serializer(many=True),
            "cursor": serializers.CharField(allow_null=True, help_text="Where the next page begins, or null."),
            "next": serializers.CharField(allow_null=True, help_text="Address of the next page, or null."),
        },
    )
