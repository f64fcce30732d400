"""Every action of a person or a token leaves a row, in the transaction of the action itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction

from .conf import conf
from .models import AuditEntry


@contextmanager
def audited(
    action: str, target: str, *, actor: str, source: str, kind: str = "workflow", **detail: Any
) -> Iterator[dict[str, Any]]:
    """Run an action and its audit row in one transaction: both happen or neither.

    Yields `detail`, which the action may still extend.
    """
    alias = conf().DATABASE
    with transaction.atomic(using=alias):
        yield detail
        AuditEntry.objects.using(alias).create(
            actor=actor, action=action, kind=kind, target=target, detail=detail, source=source
        )
