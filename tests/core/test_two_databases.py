"""A @transaction on a database that is not the engine's: its checkpoint lives there, beside the user's writes."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.db import connections

import durable
from durable.models import Checkpoint, Step
from tests.app.models import Effect


@pytest.fixture
def elsewhere(database, tmp_path):
    """A SQLite database of its own, migrated, under the alias "elsewhere"."""
    own = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(tmp_path / "elsewhere.sqlite3"),
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20},
    }
    configured = connections.configure_settings({"default": own})["default"]
    connections.settings["elsewhere"] = configured
    call_command("migrate", database="elsewhere", verbosity=0)
    yield "elsewhere"
    connections["elsewhere"].close()
    del connections["elsewhere"]
    del connections.settings["elsewhere"]


lost: list[str] = []


@durable.transaction(using="elsewhere")
def book_there(key: str) -> str:
    Effect.objects.using("elsewhere").create(key=key)
    return key


@durable.workflow()
def books_there(key: str) -> str:
    return book_there(key)


def effects() -> list[str]:
    return list(Effect.objects.using("elsewhere").values_list("key", flat=True))


def test_its_writes_and_its_checkpoint_are_in_that_database(elsewhere):
    assert books_there.using(workflow_id="w")("a") == "a"
    assert effects() == ["a"]
    checkpoint = Checkpoint.objects.using("elsewhere").get()
    assert (checkpoint.workflow_id, checkpoint.seq, checkpoint.output) == ("w", 1, '"a"')
    assert Step.objects.get().kind == "transaction" and not Checkpoint.objects.exists()


def test_a_crash_between_the_two_commits_does_not_do_it_twice(elsewhere, executor, monkeypatch):
    """The checkpoint is there and the step is not: the replay finds the checkpoint and runs no user code."""
    handle = books_there.using(workflow_id="w").start("a")
    assert handle.get_result(timeout=10) == "a"
    Step.objects.all().delete()
    from durable.models import Now, Workflow

    Workflow.objects.filter(pk="w").update(
        status="PENDING", executor=None, run_after=Now(), output=None, completed_at=None
    )
    assert handle.get_result(timeout=10) == "a"
    assert effects() == ["a"]
    assert Step.objects.get().output == '"a"'
