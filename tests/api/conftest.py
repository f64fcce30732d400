"""Who asks, and rows to ask for."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client

from durable.models import Executor, Step, StreamEntry, Workflow

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
OPERATE = ("operate_workflow", "operate_queue", "operate_schedule", "operate_version")
RIGHTS = ("view_workflow", "view_payload", "operate_workflow")


@pytest.fixture
def user_with(database: str) -> Callable[..., Any]:
    """Makes a user with exactly these permissions."""

    def make(*rights: str, **columns: Any) -> Any:
        users = get_user_model().objects
        user = users.create_user(f"user-{users.count()}", **columns)
        user.user_permissions.set(Permission.objects.filter(content_type__app_label="durable", codename__in=rights))
        return user

    return make


@pytest.fixture
def client_with(user_with: Callable[..., Any]) -> Callable[..., Client]:
    """Makes a browser in which a user with exactly these permissions is logged in."""

    def make(*rights: str, **options: Any) -> Client:
        client = Client(**options)
        client.force_login(user_with(*rights))
        return client

    return make


@pytest.fixture
def viewer(client_with: Callable[..., Client]) -> Client:
    return client_with("view_workflow", "view_payload")


def make_workflow(pk: str, **columns: Any) -> Workflow:
    """A finished workflow, unless `columns` say otherwise."""
    finished = {"name": "shop.checkout", "status": "SUCCESS", "created_at": NOON, "completed_at": NOON}
    return Workflow.objects.create(id=pk, **{**finished, **columns})


def make_step(workflow: str, seq: int, **columns: Any) -> Step:
    return Step.objects.create(
        **{
            "workflow_id": workflow,
            "seq": seq,
            "name": "charge",
            "epoch": 1,
            "started_at": NOON,
            "completed_at": NOON + timedelta(seconds=1),
            **columns,
        }
    )


def make_entries(workflow: str, key: str, *values: str | None, start: int = 0) -> None:
    """Entries of a stream as stored: JSON text, and None for the one that closes it."""
    for offset, value in enumerate(values, start):
        StreamEntry.objects.create(
            workflow_id=workflow, key=key, offset=offset, seq=offset + 1, value=value,
            created_at=NOON + timedelta(seconds=offset),
        )  # fmt: skip


def make_executor(pk: str, **columns: Any) -> Executor:
    lease = {"lease_until": datetime.now(UTC) + timedelta(hours=1)}
    return Executor.objects.create(id=pk, label=pk, host="here", pid=1, **{**lease, **columns})
