"""Django's own types that workflows meet, registered. Imported once the apps are ready."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError

from .registry import register


def _encode(error: ValidationError) -> Any:
    if hasattr(error, "error_dict"):
        return {field: [_one(e) for e in errors] for field, errors in error.error_dict.items()}
    return [_one(e) for e in error.error_list]


def _one(error: ValidationError) -> list[str | None]:
    """Message, with its parameters filled in, and code."""
    return [str(next(iter(error))), None if error.code is None else str(error.code)]


def _decode(stored: Any) -> ValidationError:
    if isinstance(stored, dict):
        return ValidationError({field: [ValidationError(*one) for one in errors] for field, errors in stored.items()})
    return (
        ValidationError(*stored[0]) if len(stored) == 1 else ValidationError([ValidationError(*one) for one in stored])
    )


register("django.ValidationError", ValidationError, _encode, _decode)
