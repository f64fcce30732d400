"""Versions of the application's code."""

from __future__ import annotations

from rest_framework import serializers

from durable.models import Version

from .fields import Moment


class VersionSerializer(serializers.Serializer):
    """One version of this application's code that an executor has run."""

    name = serializers.CharField()
    latest = serializers.BooleanField(help_text="Whether it was promoted last.")
    executors = serializers.SerializerMethodField(help_text="How many living executors take work in it.")
    live = serializers.SerializerMethodField(help_text="How many workflows of it have not ended.")
    created_at = Moment()
    promoted_at = Moment()

    def get_executors(self, version: Version) -> int:
        return self.context["executors"].get(version.name, 0)

    def get_live(self, version: Version) -> int:
        return self.context["live"].get(version.name, 0)
