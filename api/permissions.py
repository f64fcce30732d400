"""What one may do here: the same permissions as in the console."""

from __future__ import annotations

from typing import Any

from rest_framework.permissions import BasePermission


class MayView(BasePermission):
    """People with durable.view_workflow; never a stranger, whatever an authentication backend grants to all."""

    permission = "durable.view_workflow"

    def has_permission(self, request: Any, view: Any) -> bool:
        return has_permission(request.user, self.permission)


class MayOperate(MayView):
    """People with durable.operate_workflow."""

    permission = "durable.operate_workflow"


class Anybody(BasePermission):
    """Open to strangers: for the liveness probe and nothing else."""


def has_permission(user: Any, permission: str) -> bool:
    return bool(user and user.is_authenticated and user.is_active and user.has_perm(permission))


def may_see_payload(request: Any) -> bool:
    """Whether inputs, outputs, errors and values may be shown: durable.view_payload."""
    return has_permission(request.user, "durable.view_payload")
