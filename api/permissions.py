"""What one may do here: the same permissions as in the console."""

from __future__ import annotations

from typing import Any

from rest_framework.permissions import BasePermission


class May(BasePermission):
    """People with any of these permissions; never a stranger, whatever an authentication backend grants to all."""

    permissions: tuple[str, ...] = ()

    def has_permission(self, request: Any, view: Any) -> bool:
        return any(has_permission(request.user, permission) for permission in self.permissions)


class MayView(May):
    """People with durable.view_workflow, which opens every GET, as it opens every page of the console."""

    permissions = ("durable.view_workflow",)


class MayViewQueues(May):
    permissions = ("durable.view_workflow", "durable.view_queue")


class MayViewSchedules(May):
    permissions = ("durable.view_workflow", "durable.view_schedule")


class MayViewVersions(May):
    permissions = ("durable.view_workflow", "durable.view_version")


class MayViewExecutors(May):
    permissions = ("durable.view_workflow", "durable.view_executor")


class MayViewSomething(May):
    """People who may look at anything here: for what says nothing of a row, such as the schema."""

    permissions = tuple(f"durable.view_{noun}" for noun in ("workflow", "queue", "schedule", "version", "executor"))


class MayViewPayload(May):
    """Beside another permission: people with durable.view_payload."""

    permissions = ("durable.view_payload",)


class MayOperate(May):
    """People with durable.operate_workflow."""

    permissions = ("durable.operate_workflow",)


class MayOperateQueues(May):
    permissions = ("durable.operate_queue",)


class MayOperateSchedules(May):
    permissions = ("durable.operate_schedule",)


class MayOperateVersions(May):
    permissions = ("durable.operate_version",)


class Anybody(BasePermission):
    """Open to strangers: for the liveness probe and nothing else."""


def has_permission(user: Any, permission: str) -> bool:
    return bool(user and user.is_authenticated and user.is_active and user.has_perm(permission))


def may_see_payload(request: Any) -> bool:
    """Whether inputs, outputs, errors and values may be shown: durable.view_payload."""
    return has_permission(request.user, "durable.view_payload")
