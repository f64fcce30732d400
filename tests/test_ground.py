"""The ground that other tests stand on."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, connections, transaction

from durable.models import Workflow

from . import conftest
from .app import workflows
from .app.models import Effect
from .support import wait_until
from .support.processes import environment


def vendor_in_a_thread():
    answers = []

    def ask():
        answers.append((connection.vendor, Effect.objects.count()))
        connection.close()

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    return answers[0]


def test_every_connection_leads_to_the_database_of_the_test(database):
    Effect.objects.create(key="written here")
    own = connections.create_connection("default")
    with own.cursor() as cursor:
        cursor.execute("select count(*) from tests_app_effect")
        assert cursor.fetchone() == (1,)
    own.close()
    assert (connection.vendor, own.vendor) == (database, database)
    assert vendor_in_a_thread() == (database, 1)


@pytest.mark.parametrize("turn", [1, 2])
def test_each_test_finds_the_tables_empty(database, turn):
    assert Effect.objects.count() == Workflow.objects.count() == get_user_model().objects.count() == 0
    user = get_user_model().objects.create_superuser("somebody")
    user.groups.create(name="a group that hangs on the user")
    Effect.objects.create(key=str(turn))
    Workflow.objects.create(name="w")


@pytest.mark.parametrize("turn", [1, 2])
def test_an_open_transaction_of_one_test_does_not_harm_the_next(database, turn):
    assert Effect.objects.count() == 0
    atomic = transaction.atomic()
    atomic.__enter__()
    Effect.objects.create(key="never committed")


def test_a_transaction_survives_the_emptying_of_an_error(database):
    with pytest.raises(Effect.DoesNotExist), transaction.atomic():
        Effect.objects.create(key="rolled back")
        Effect.objects.get(key="missing")
    assert Effect.objects.count() == 0


def test_a_thread_of_the_engine_that_a_test_leaves_is_found(monkeypatch):
    monkeypatch.setattr(conftest, "STOP_SECONDS", 0.1)
    end = threading.Event()
    thread = threading.Thread(target=end.wait, name="durable-forgotten")
    thread.start()
    assert "durable-forgotten" in conftest.stop_engine()
    end.set()
    thread.join()
    assert "durable-forgotten" not in conftest.stop_engine()


def test_a_started_process_has_the_database_and_the_settings_of_the_test(database, settings):
    settings.DURABLE = {**settings.DURABLE, "QUEUES": ["a"]}
    Effect.objects.create(key="written by the test")
    program = """if True:
        import django; django.setup()
        from durable.conf import conf
        from tests.app.models import Effect
        Effect.objects.create(key=f"{conf().QUEUES} {conf().LEASE_SECONDS} after {Effect.objects.get().key}")
    """
    subprocess.run([sys.executable, "-c", program], env=environment(LEASE_SECONDS=9), check=True)
    assert Effect.objects.last().key == "('a',) 9 after written by the test"


def test_the_executor_of_this_process_runs_what_is_started(executor):
    assert workflows.total.start(4).get_result(timeout=10) == 6


def test_an_executor_process_runs_what_is_started_and_can_be_killed(executor_process):
    process = executor_process("--concurrency", "3", LEASE_SECONDS=3)
    assert process.executor.concurrency == 3
    handle = workflows.stages.start(1)
    assert handle.get_result(timeout=20) == ["step-0", "book-0"]
    assert Workflow.objects.get(pk=handle.workflow_id).executor == process.executor.id
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert process.executor is None


def test_an_executor_process_drains_when_it_is_asked_to_end(executor_process):
    process = executor_process()
    row = process.executor
    process.terminate()
    assert process.wait() == 0, process.output
    row.refresh_from_db()
    assert row.stopped_at is not None


def test_an_executor_process_that_does_not_start_says_why(executor_process):
    with pytest.raises(AssertionError, match=r"(?s)runexecutor ended with .*LEASE_SECONDS"):
        executor_process(LEASE_SECONDS=-1)


def test_rights_are_those_of_the_client(operator_client, viewer_client):
    users = get_user_model().objects
    assert users.get(username="operator").has_perm("durable.operate_workflow")
    assert users.get(username="viewer").get_all_permissions() == {"durable.view_workflow"}
    assert operator_client.session["_auth_user_id"] != viewer_client.session["_auth_user_id"]


def test_wait_until_returns_the_answer_and_says_what_did_not_come():
    answers = iter([0, None, "yes"])
    assert wait_until(lambda: next(answers)) == "yes"
    with pytest.raises(AssertionError, match=r"Not within 0.02 s: .*1 > 2.*False"):
        wait_until(lambda: 1 > 2, timeout=0.02)
