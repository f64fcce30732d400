"""Every refusal as a problem (RFC 9457). What is mapped nowhere is a bug and stays an exception: the host logs it."""

from __future__ import annotations

import logging
import re
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.settings import api_settings

from durable import errors

from .media import JsonRenderer

logger = logging.getLogger("durable.api")

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 2

STATUS_OF = {
    errors.WorkflowNotFound: 404,
    errors.QueueNotFound: 404,
    errors.ScheduleNotFound: 404,
    errors.VersionNotFound: 404,
    errors.NotAuthorized: 403,
    errors.WorkflowConflict: 409,
    errors.WorkflowIdInUse: 409,
    errors.NotResumable: 409,
    errors.NotRewindable: 409,
    errors.NotDelayable: 409,
    errors.ScheduleExists: 409,
    errors.QueueDeduplicated: 409,
    errors.PayloadTooLarge: 413,
    errors.UnknownDefinition: 422,
    errors.InvalidOption: 422,
    errors.InvalidDocument: 422,
    errors.SerializationError: 422,
    errors.DatabaseAway: 503,
}


class InvalidParameter(exceptions.ValidationError):
    """A query parameter that cannot be understood."""

    def __init__(self, parameter: str, problem: str):
        super().__init__({parameter: [problem]})


def problem_response(error: Exception, context: dict[str, Any]) -> Response | None:
    """The problem that `error` is, or None when it is none of ours and must stay an exception."""
    request = context["request"]
    problem = problem_of(error)
    if problem is None:
        return None
    if problem["status"] == 503:
        logger.error("The database does not answer.", exc_info=error)
    request.accepted_renderer, request.accepted_media_type = JsonRenderer(), JsonRenderer.media_type
    return Response(
        problem | {"instance": request.path},
        status=problem["status"],
        headers=_headers(error, problem["status"]),
        content_type=MEDIA_TYPE,
    )


def problem_of(error: Exception) -> dict[str, Any] | None:
    """`type`, `title`, `status`, `detail` (and `errors`, one for each wrong field) of an exception."""
    if isinstance(error, errors.DatabaseAway | OperationalError | InterfaceError):
        # What the driver says may name hosts and users: it goes to the log, not to the client.
        return problem("database-away", 503, "The database does not answer. Try again in a moment.")
    if isinstance(error, errors.DurableError):
        status = next((STATUS_OF[cls] for cls in type(error).__mro__ if cls in STATUS_OF), None)
        return problem(_slug(type(error).__name__), status, str(error)) if status else None
    if isinstance(error, exceptions.ValidationError):
        found = list(_each(error.detail))
        detail = " ".join(f"{one['field']}: {one['detail']}" if one["field"] else one["detail"] for one in found)
        return problem("invalid", error.status_code, detail) | {"errors": found}
    error = _as_api_exception(error)
    if isinstance(error, exceptions.APIException):
        return problem(error.default_code.replace("_", "-"), error.status_code, str(error.detail))
    return None


def problem(slug: str, status: int, detail: str) -> dict[str, Any]:
    """A problem with the type `slug`; its title says the same in words."""
    return {"type": slug, "title": slug.replace("-", " ").capitalize(), "status": status, "detail": detail}


def _as_api_exception(error: Exception) -> Exception:
    if isinstance(error, Http404):
        return exceptions.NotFound()
    if isinstance(error, PermissionDenied):
        return exceptions.PermissionDenied()
    if isinstance(error, RequestDataTooBig):
        return TooLarge()
    if isinstance(error, SuspiciousOperation):
        return exceptions.ParseError("The request is malformed.")
    return error


class TooLarge(exceptions.APIException):
    status_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    default_code = "payload_too_large"
    default_detail = "The body is larger than this server accepts."


class Conflict(exceptions.APIException):
    status_code = HTTPStatus.CONFLICT
    default_code = "conflict"


def _headers(error: Exception, status: int) -> dict[str, str]:
    headers = {"Cache-Control": "no-store"}
    if authenticate := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = authenticate
    if status == 503:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    elif wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(round(wait))
    return headers


def _each(detail: Any, field: str = "") -> Any:
    """The nested details of a validation error, flat: each with the path of its field."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            yield from _each(inner, f"{field}.{name}" if field else str(name))
    elif isinstance(detail, list):
        for inner in detail:
            yield from _each(inner, field)
    else:
        yield {"field": "" if field == api_settings.NON_FIELD_ERRORS_KEY else field, "detail": str(detail)}


def _slug(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()
