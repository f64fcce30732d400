"""Ended workflows go by age and by number, and nothing else does."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connections

import durable
from durable.conf import conf
from durable.errors import InvalidOption, InvalidSettings, WorkflowWasCancelled
from durable.executor import Executor, pruner
from durable.models import Now, Step, Workflow
from durable.retention import database_now
from durable.states import FAILED, FINAL, LIVE
from tests.app import workflows as app
from tests.support import run_async, wait_until

DAY = 86_400.0


def ended(workflow_id: str, days: float, status: str = "SUCCESS", **given: Any) -> None:
    """A workflow that began and ended so many days ago, with a step."""
    at = datetime.fromtimestamp(database_now() - days * DAY, UTC)
    given = {"name": "total", "application": "tests", "created_at": at, "completed_at": at} | given
    failure = status if status in FAILED else None
    Workflow.objects.create(id=workflow_id, status=status, failure=failure, input="{}", **given)
    Step.objects.create(workflow_id=workflow_id, seq=1, name="s", epoch=1, started_at=Now(), completed_at=Now())


def there() -> set[str]:
    ids = set(Workflow.objects.values_list("id", flat=True))
    assert set(Step.objects.values_list("workflow_id", flat=True)) <= ids
    return ids


def test_what_ended_longer_ago_goes(database):
    for days in (1, 5, 10, 20):
        ended(f"{days}", days)
    assert durable.prune(older_than=timedelta(days=7), dry_run=True) == 2
    assert there() == {"1", "5", "10", "20"}
    assert durable.prune(older_than=timedelta(days=7)) == 2
    assert there() == {"1", "5"}
    assert durable.prune(older_than=0.5 * DAY) == 2 and there() == set()


def test_age_counts_from_the_end_and_not_from_the_start(database):
    long_ago = datetime.fromtimestamp(database_now() - 100 * DAY, UTC)
    ended("began long ago", 1, created_at=long_ago)
    ended("has no end", 1, created_at=long_ago, completed_at=None)
    assert durable.prune(older_than=7 * DAY) == 0


def test_the_newest_stay(database):
    for days in range(1, 11):
        ended(f"{days:02}", days, "SUCCESS" if days % 2 else "ERROR")
    assert durable.prune(rows=7, dry_run=True) == 3
    assert durable.prune(rows=7) == 3 and there() == {f"{n:02}" for n in range(1, 8)}
    assert durable.prune(rows=2, status="ERROR") == 1 and "06" not in there()
    assert durable.prune(rows=100) == 0
    assert durable.prune(rows=0) == 6 and there() == set()


def test_either_reason_is_enough_and_each_workflow_counts_once(database):
    for days in range(1, 11):
        ended(f"{days:02}", days)
    terms: dict[str, Any] = {"older_than": 8.5 * DAY, "rows": 4}
    assert durable.prune(**terms, dry_run=True) == 6
    assert durable.prune(**terms) == 6 and there() == {"01", "02", "03", "04"}


def test_only_those_of_a_status_and_of_a_name(database):
    for status in FINAL:
        ended(f"{status} a", 10, status, name="a")
        ended(f"{status} b", 10, status, name="b")
    assert durable.prune(older_than=DAY, status="SUCCESS", name="a") == 1
    assert durable.prune(older_than=DAY, status=["SUCCESS", "ERROR"]) == 3
    assert durable.prune(older_than=DAY, name=["b", "c"]) == 2
    assert there() == {"CANCELLED a", "MAX_RECOVERY_ATTEMPTS_EXCEEDED a"}


@pytest.mark.parametrize("status", sorted(LIVE))
def test_a_live_workflow_stays_however_old(database, status):
    ready = {"wake_at": Now()} if status == "DELAYED" else {"run_after": Now()}
    ended("live", 1000, status, completed_at=None, **ready)
    assert durable.prune(older_than=0) == 0 and durable.prune(rows=0) == 0
    assert there() == {"live"}


def test_a_child_stays_while_its_parent_lives(database):
    ended("parent", 20, "PENDING", completed_at=None, run_after=Now())
    ended("asleep", 20, "PENDING", completed_at=None, wake_at=Now())
    for parent in ("parent", "asleep", "gone", None):
        ended(f"child of {parent}", 10, parent=parent)
    assert durable.prune(older_than=DAY, rows=0, dry_run=True) == 2
    assert durable.prune(older_than=DAY, rows=0) == 2
    assert there() == {"parent", "asleep", "child of parent", "child of asleep"}
    durable.cancel_workflows(["parent", "asleep"])
    assert durable.prune(rows=0) == 4


def test_batches_are_small_and_miss_nothing(database, monkeypatch):
    for n in range(25):
        ended(f"{n:02}", 10)
    sizes: list[int] = []
    erase = pruner.erase
    monkeypatch.setattr(pruner, "erase", lambda alias, ids, **more: sizes.append(len(ids)) or erase(alias, ids, **more))
    assert durable.prune(older_than=DAY, batch_size=10, pause_seconds=0) == 25
    assert sizes == [10, 10, 5] and there() == set()


def test_a_slow_batch_makes_the_next_one_smaller(database, monkeypatch):
    for n in range(15):
        ended(f"{n:02}", 10)
    monkeypatch.setattr(pruner, "LONG_SECONDS", -1.0)
    found = list(pruner.Pruning(age=DAY).prune("default", 8))
    assert found == [8, 4, 2, 1] and there() == set()


def test_what_somebody_holds_or_resumes_meanwhile_stays(database):
    """What was found is looked at again under its lock."""
    for n in range(3):
        ended(f"{n}", 10, "CANCELLED")
    rule = pruner.Pruning(age=DAY)
    batches = rule.prune("default", 1)
    assert next(batches) == 1
    durable.resume_workflow("1")
    assert list(batches) == [1] and there() == {"1"}
    assert Workflow.objects.get().status == "ENQUEUED"


def test_one_that_is_resumed_between_the_look_and_the_lock_stays(database, monkeypatch):
    ended("w", 10, "CANCELLED")
    erase = pruner.erase

    def late(alias: str, ids: Any, **more: Any) -> Any:
        if Workflow.objects.get().status == "CANCELLED":
            durable.resume_workflow("w")
        return erase(alias, ids, **more)

    monkeypatch.setattr(pruner, "erase", late)
    assert durable.prune(older_than=DAY) == 0 and there() == {"w"}


def test_a_row_that_is_locked_elsewhere_is_passed_over(database):
    if database == "sqlite":
        pytest.skip("SQLite has one lock for all rows")
    for n in range(3):
        ended(f"{n}", 10)
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        from django.db import transaction

        with transaction.atomic():
            list(Workflow.objects.filter(pk="1").select_for_update())
            held.set()
            release.wait(10)
        connections.close_all()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(10)
    assert durable.prune(older_than=DAY) == 2 and there() == {"1"}
    release.set()
    thread.join(10)
    assert durable.prune(older_than=DAY) == 1


def test_pruning_disturbs_nobody_who_works(executor):
    """Workflows start, run, have children and end while all that has ended is pruned all the time."""
    stop, errors, pruned = threading.Event(), [], [0]

    def prune() -> None:
        try:
            while not stop.is_set():
                pruned[0] += durable.prune(rows=0, name="total", batch_size=5, pause_seconds=0)
        except Exception as error:
            errors.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=prune)
    thread.start()
    handles = [app.fans_out.start(5) for _ in range(12)]
    results = [handle.get_result(timeout=30) for handle in handles]
    stop.set()
    thread.join(10)
    assert results == [10] * 12 and not errors
    left = durable.prune(rows=0, name="total")
    assert pruned[0] + left == 60 and there() == {handle.workflow_id for handle in handles}


def test_two_who_prune_at_once_delete_each_workflow_once(database):
    for n in range(60):
        ended(f"{n}", 10)
    counts: list[int] = []

    def prune() -> None:
        counts.append(durable.prune(older_than=DAY, batch_size=7, pause_seconds=0))
        connections.close_all()

    threads = [threading.Thread(target=prune) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sum(counts) + durable.prune(older_than=DAY) == 60


@pytest.mark.parametrize(
    "terms",
    [
        {}, {"status": "SUCCESS"}, {"name": "total"}, {"older_than": -1}, {"older_than": "30d"}, {"older_than": True},
        {"older_than": float("nan")}, {"rows": -1}, {"rows": 1.0}, {"rows": True}, {"rows": 1, "status": "PENDING"},
        {"rows": 1, "status": []}, {"rows": 1, "name": []}, {"rows": 1, "name": [7]}, {"rows": 1, "batch_size": 0},
        {"rows": 1, "batch_size": 10**6}, {"rows": 1, "pause_seconds": -1}, {"rows": 1, "name": "a\x00"},
    ],
    ids=str,
)  # fmt: skip
def test_terms_that_say_nothing_or_cannot_be_meant_delete_nothing(database, terms):
    ended("w", 1000)
    with pytest.raises(InvalidOption):
        durable.prune(**terms)
    assert there() == {"w"}


# --- the setting


@pytest.fixture
def retention(settings):
    def put(**rules: Any) -> None:
        workflows = rules.pop("workflows", {})
        others = {"*": rules.pop("others")} if "others" in rules else {}
        settings.DURABLE = {**settings.DURABLE, "RETENTION": {**rules, **others, "workflows": workflows}}

    return put


def test_each_workflow_has_one_rule_the_most_specific(database, retention):
    for days in (2, 50):
        for status in FINAL:
            ended(f"{status} {days}", days, status)
        ended(f"beat {days}", days, name="heartbeat")
        ended(f"book {days}", days, "ERROR", name="ledger")
    named = {"heartbeat": {"rows": 0}, "ledger": None}
    retention(SUCCESS={"age": 30 * DAY}, CANCELLED=None, others={"age": DAY}, workflows=named)
    expected = {"SUCCESS 2", "CANCELLED 2", "CANCELLED 50", "book 2", "book 50"}
    assert durable.prune(dry_run=True) == len(there()) - len(expected)
    durable.prune()
    assert there() == expected


def test_when_every_status_has_its_rule_the_rest_is_nothing_and_not_everything(database, retention):
    ended("w", 2)
    retention(**{status: {"age": 30 * DAY} for status in FINAL}, others={"age": 0})
    assert durable.prune() == 0 and there() == {"w"}


def test_a_setting_speaks_of_its_own_application(database, retention):
    ended("ours", 10)
    ended("theirs", 10, application="another")
    retention(others={"age": DAY})
    assert durable.prune() == 1 and there() == {"theirs"}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ([], "RETENTION = \\[\\]"), (7, "RETENTION = 7"), ({"workflows": []}, "give"),
        ({"success": {"age": 1}}, "did you mean SUCCESS"), ({"PENDING": {"age": 1}}, "no key 'PENDING'"),
        ({"SUCCESS": 7}, "RETENTION of 'SUCCESS' = 7"), ({"*": {}}, "'\\*'"), ({"*": {"days": 1}}, "days"),
        ({"*": {"age": -1}}, "age"), ({"*": {"age": "7d"}}, "age"), ({"*": {"age": True}}, "age"),
        ({"*": {"rows": 1.5}}, "rows"), ({"*": {"rows": -1}}, "rows"), ({"*": {"age": float("nan")}}, "age"),
        ({"workflows": {"heartbeat": {"aeg": 1}}}, "'heartbeat'"),
    ],
    ids=str,
)  # fmt: skip
def test_a_setting_that_cannot_be_meant_is_refused_at_start(settings, wrong, said):
    settings.DURABLE = {**settings.DURABLE, "RETENTION": wrong}
    with pytest.raises(InvalidSettings, match=said):
        conf()


def test_an_executor_puts_the_setting_in_force(database, retention, caplog):
    retention(others={"age": DAY})
    ended("old", 10)
    ended("new", 0.5)
    with caplog.at_level("INFO", "durable.executor"):
        executor = Executor(concurrency=2).start()
        wait_until(lambda: "retention deleted 1 workflows: age 86400.0" in caplog.text, 10, "it prunes, and says so")
        executor.drain(2)
    assert there() == {"new"}


def test_an_executor_without_the_setting_or_without_claims_prunes_nothing(database, retention):
    plain = Executor(concurrency=2).start()
    retention(others={"age": DAY})
    direct = Executor(claims=False).start()
    assert not any("pruner" in thread.name for thread in threading.enumerate())
    for each in (plain, direct):
        each.drain(2)


def test_one_executor_prunes_at_a_time_and_another_takes_over(database, retention):
    retention(others={"age": DAY})
    first, second = Executor(), Executor()
    assert first.pruner.is_chosen() and first.pruner.is_chosen()
    assert second.pruner.is_chosen() is (database == "sqlite")
    first.pruner.close()
    assert second.pruner.is_chosen()
    second.pruner.close()


def test_a_pruner_stops_between_batches(database, retention, monkeypatch):
    retention(others={"age": DAY})
    monkeypatch.setattr(pruner, "FIRST_BATCH", 1)
    monkeypatch.setattr(pruner, "LONG_SECONDS", -1.0)
    for n in range(50):
        ended(f"{n}", 10)
    executor = Executor(concurrency=2).start()
    wait_until(lambda: len(there()) < 50, 10, "it has begun")
    executor.drain(2)
    assert there()


# --- too old to live


def test_live_workflows_from_before_a_time_are_cancelled(executor):
    old = [app.receives.start("t", 600) for _ in range(3)]
    wait_until(lambda: Workflow.objects.filter(waiting_for="message:t").count() == 3, 10, "they wait")
    app.total.start(1).get_result(timeout=10)
    cutoff = datetime.fromtimestamp(database_now(), UTC)
    new = app.receives.start("t", 600)
    assert durable.cancel_older_than(cutoff) == 3
    assert durable.cancel_older_than(cutoff) == 0
    for handle in old:
        with pytest.raises(WorkflowWasCancelled):
            handle.get_result(timeout=5)
    assert new.get_status().status in LIVE
    assert durable.cancel_older_than(timedelta(hours=1)) == 0
    assert durable.cancel_older_than(0) == 1


@pytest.mark.parametrize("wrong", [datetime(2026, 1, 1), -1, "yesterday", None, True])
def test_a_cutoff_that_is_not_clear_cancels_nothing(database, wrong):
    app.total.start(1)
    with pytest.raises(InvalidOption, match="cutoff"):
        durable.cancel_older_than(wrong)
    assert Workflow.objects.get().status == "ENQUEUED"


@durable.workflow(name="retention.cleans")
def cleans() -> list[int]:
    return [durable.prune(older_than=DAY), durable.cancel_older_than(DAY)]


def test_a_workflow_may_clean_up(executor):
    ended("old", 10)
    assert cleans.start().get_result(timeout=10) == [1, 0]
    assert list(Step.objects.values_list("name", flat=True)) == ["prune", "cancel_older_than"]


def test_coroutines_clean_up_too(database):
    ended("old", 10)

    async def main() -> tuple[int, int]:
        return await durable.aprune(older_than=DAY), await durable.acancel_older_than(DAY)

    assert run_async(main()) == (1, 0)
