"""Problem details (RFC 9457)."""

from rest_framework import serializers


class FieldProblemSerializer(serializers.Serializer):
    field = serializers.CharField(help_text='Name of the field or parameter; "" for the whole.')
    detail = serializers.CharField()


class ProblemSerializer(serializers.Serializer):
    """Why a request was refused."""

    type = serializers.CharField(help_text="A word for programs, such as workflow-not-found.")
    title = serializers.CharField(help_text="The type in words.")
    status = serializers.IntegerField(help_text="The HTTP status again.")
    detail = serializers.CharField(help_text="What happened, and what to do about it.")
    instance = serializers.CharField(help_text="The path that was asked for.")
    errors = FieldProblemSerializer(many=True, required=False, help_text="Each field that is wrong.")
