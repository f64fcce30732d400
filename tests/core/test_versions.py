"""Deploys: which executor goes on with work of which version, and how code changes under workflows in flight."""

from __future__ import annotations

import pytest

import durable
from durable.errors import (
    InvalidOption,
    NonDeterminism,
    VersionNotFound,
    WorkflowNotFound,
)
from durable.executor import Executor
from durable.models import Attempt, Version, Workflow
from durable.models import Executor as Row
from durable.registry import registry
from tests.app import workflows as app
from tests.support import run_async, wait_until

from .deploying import code, does, does_another, effects, gate, holds, row, waits_for


@durable.workflow(name="versions.stays_same")
def stays_same():
    first = does(f"first in {code.now}")
    durable.recv("go on")
    return [first, does(f"second in {code.now}")]


@durable.workflow(name="versions.is_held")
def is_held():
    holds()
    return f"ended in {code.now}"


@durable.workflow(name="versions.changes")
def changes():
    """Edited between v1 and v2 without a thought for what is in flight."""
    if code.now == "v1":
        does("first")
    else:
        does_another("first")
    durable.recv("go on")
    return does("second")


# --- adopt: work of a version that nobody has is taken over


def test_enqueued_work_of_a_version_that_nobody_has_is_taken_over(deploy):
    handle = app.total.using(version="v1").start(3)
    deploy("v2")
    assert handle.get_result(timeout=10) == 3
    assert row(handle.workflow_id).version == "v2"


def test_parked_work_is_taken_over_when_it_wakes_and_goes_on_at_its_last_step(deploy):
    deploy("v1")
    handle = stays_same.start()
    waits_for(handle, "message:")
    executor = deploy("v2")
    assert row(handle.workflow_id).version == "v1"
    durable.send(handle.workflow_id, 1, "go on")
    wait_until(lambda: row(handle.workflow_id).run_after or row(handle.workflow_id).is_finished)
    executor.sweeper.set_aside()  # what it does every few seconds
    assert handle.get_result(timeout=10) == ["first in v1", "second in v2"]
    assert row(handle.workflow_id).version == "v2"


def test_work_that_a_crash_left_behind_is_taken_over(deploy):
    deploy("v1")
    handle = is_held.start()
    wait_until(lambda: effects() == ["held"])
    executor = deploy("v2", crash=True)
    wait_until(lambda: row(handle.workflow_id).executor is None or row(handle.workflow_id).version == "v2")
    executor.sweeper.set_aside()
    wait_until(lambda: effects() == ["held", "held"])
    gate.set()
    assert handle.get_result(timeout=10) == "ended in v2"
    assert (row(handle.workflow_id).version, row(handle.workflow_id).recovery_attempts) == ("v2", 1)


def test_a_long_line_of_old_work_is_taken_over_in_one_go(deploy):
    queue = durable.Queue("versions.line")
    with durable.SetEnqueueOptions(version="v1"):
        queue.enqueue_many(app.total, [0] * 450)
    deploy("v2", CONCURRENCY=50)
    wait_until(lambda: Workflow.objects.filter(status="SUCCESS").count() == 450, 20)
    assert set(Workflow.objects.values_list("version", flat=True)) == {"v2"}


def test_executors_of_two_versions_take_their_own_and_leave_the_others_alone(deploy, executor_process):
    old = executor_process("--concurrency", "4", APPLICATION_VERSION="v1").executor
    new = deploy("v2")
    handles = [app.total.using(version=f"v{n % 2 + 1}").start(n) for n in range(20)]
    assert durable.gather(handles) == [n * (n - 1) // 2 for n in range(20)]
    new.sweeper.set_aside()
    found = Workflow.objects.values_list("version", "executor").distinct()
    assert sorted(found) == sorted([("v1", old.id), ("v2", new.id)])


def test_an_executor_that_lacks_the_function_leaves_old_work_to_one_that_has_it(deploy, monkeypatch):
    handle = app.total.using(version="v1").start(3)
    monkeypatch.delitem(registry._definitions, "total")
    sweeper = deploy("v2").sweeper
    sweeper.stop()  # it sweeps when the test says so
    knows = {"claims": True, "definitions": {"total": "v3"}, "lease_until": "2999-01-01T00:00:00Z"}
    Row.objects.create(id="other", label="other", pid=1, **knows)
    Workflow.objects.update(run_after="2001-01-01T00:00:00Z", wake_at=None, waiting_for=None)
    sweeper.set_aside()
    assert row(handle.workflow_id).waiting_for is None  # that one will take it over
    Row.objects.filter(pk="other").delete()
    sweeper.set_aside()
    sweeper.close()
    assert row(handle.workflow_id).waiting_for == "executor:total"


def test_by_default_a_version_is_of_one_function_and_an_edit_elsewhere_strands_nobody(database):
    before = registry.version_of(stays_same)

    @durable.workflow(name="versions.is_new")
    def is_new():
        return 1

    assert registry.version_of(stays_same) == before == stays_same.version
    assert row(stays_same.start().workflow_id).version == before


def test_an_edited_function_takes_over_its_own_work(database, monkeypatch):
    handle = app.total.start(3)
    monkeypatch.setitem(vars(app.total), "version", "edited")
    executor = Executor().start()
    assert handle.get_result(timeout=10) == 3
    assert row(handle.workflow_id).version == "edited"
    executor.drain(1)


# --- what the journal says against it


def test_code_that_does_something_else_is_stopped_names_both_and_can_be_moved_back(deploy):
    deploy("v1", VERSIONS="strict")
    handle = changes.start()
    waits_for(handle, "message:")
    deploy("v2")
    assert durable.move_to_version(handle.workflow_id, "v2") == 1
    durable.send(handle.workflow_id, 1, "go on")
    with pytest.raises(NonDeterminism) as raised:
        handle.get_result(timeout=10)
    error = raised.value
    assert (error.seq, error.recorded, error.now) == (1, "versions.does", "versions.does_another")
    assert row(handle.workflow_id).status == "ERROR"
    assert effects() == ["first"]

    assert durable.move_to_version([handle.workflow_id], "v1") == 1
    durable.resume_workflow(handle.workflow_id)
    assert (row(handle.workflow_id).status, row(handle.workflow_id).version) == ("ENQUEUED", "v1")
    deploy("v1")
    assert handle.get_result(timeout=10) == "second"
    assert effects() == ["first", "second"]


def test_so_is_code_that_was_taken_over_by_policy(deploy):
    deploy("v1")
    handle = changes.start()
    waits_for(handle, "message:")
    executor = deploy("v2")
    durable.send(handle.workflow_id, 1, "go on")
    wait_until(lambda: row(handle.workflow_id).run_after or row(handle.workflow_id).is_finished)
    executor.sweeper.set_aside()
    with pytest.raises(NonDeterminism, match=r"recorded 'versions\.does', now 'versions\.does_another'"):
        handle.get_result(timeout=10)
    deploy("v1")
    durable.move_to_version(handle.workflow_id, "v1")
    assert durable.resume_workflow(handle.workflow_id).get_result(timeout=10) == "second"


# --- strict: it waits, visibly, until somebody moves it


@pytest.mark.parametrize("state", ["enqueued", "parked", "crashed"])
def test_where_versions_are_strict_other_work_waits_visibly_until_it_is_moved(deploy, state):
    if state == "enqueued":
        handle, expected = stays_same.using(version="v1").start(), ["first in v2", "second in v2"]
        executor = deploy("v2", VERSIONS="strict")
    elif state == "parked":
        deploy("v1", VERSIONS="strict")
        handle, expected = stays_same.start(), ["first in v1", "second in v2"]
        waits_for(handle, "message:")
        executor = deploy("v2")
    else:
        deploy("v1", VERSIONS="strict")
        handle, expected = is_held.start(), "ended in v2"
        wait_until(lambda: effects() == ["held"])
        executor = deploy("v2", crash=True)
        wait_until(lambda: row(handle.workflow_id).executor is None)
        gate.set()
    if state != "crashed":
        durable.send(handle.workflow_id, 1, "go on")
    wait_until(lambda: row(handle.workflow_id).run_after is not None or row(handle.workflow_id).wake_at)
    executor.sweeper.set_aside()
    found = row(handle.workflow_id)
    assert (found.waiting_for, found.executor, found.version) == (f"executor:{found.name}", None, "v1")
    assert found.phase.key == "unserved"
    executor.sweeper.set_aside()
    assert durable.move_to_version(handle.workflow_id, "v2") == 1
    assert handle.get_result(timeout=10) == expected


def test_where_versions_are_strict_the_whole_application_is_one_version(database, settings):
    settings.DURABLE = {**settings.DURABLE, "VERSIONS": "strict"}
    assert registry.version_of(stays_same) == registry.version_of(app.total) == durable.application_version()
    before = durable.application_version()

    @durable.workflow(name=f"versions.joins.{database}")
    def joins():
        return 1

    assert durable.application_version() != before


def test_what_is_defined_after_the_start_strands_nothing_that_was_enqueued_before(database, settings):
    settings.DURABLE = {**settings.DURABLE, "VERSIONS": "strict"}
    executor = Executor().start()
    queue = durable.Queue("versions.late")
    durable.register_queue("versions.late")
    durable.pause_queue("versions.late")
    before = queue.enqueue(app.total, 2)

    @durable.workflow(name=f"versions.comes_late.{database}")
    def comes_late():
        return "late"

    after = queue.enqueue(comes_late)
    assert row(before.workflow_id).version != row(after.workflow_id).version
    wait_until(lambda: executor._registered == registry.changes)
    executor.sweeper.set_aside()
    durable.resume_queue("versions.late")
    assert durable.gather([before, after]) == [1, "late"]
    executor.drain(1)


def test_work_without_a_version_goes_to_the_latest_only_and_keeps_it(deploy):
    deploy("v1", VERSIONS="strict")
    deploy("v2")
    first = durable.start_by_name("total", (3,))
    assert first.get_result(timeout=10) == 3
    assert row(first.workflow_id).version == "v2"  # so that its recovery is for v2 too
    executor = deploy("v1")  # an older version again: it is no later for having been started
    second = durable.start_by_name("total", (3,))
    executor.sweeper.set_aside()
    found = row(second.workflow_id)
    assert (found.status, found.version, found.phase.key) == ("ENQUEUED", None, "unserved")
    durable.set_latest_version("v1")
    assert second.get_result(timeout=10) == 3
    assert row(second.workflow_id).version == "v1"


def test_where_they_are_not_work_without_a_version_goes_to_anybody(deploy):
    deploy("v2")
    deploy("v1")
    assert durable.start_by_name("total", (3,)).get_result(timeout=10) == 3


def test_a_version_with_its_own_work_named_at_the_start_waits_for_it(deploy):
    deploy("v1", VERSIONS="strict")
    handle = app.total.using(version="v2").start(3)
    assert row(handle.workflow_id).status == "ENQUEUED"
    deploy("v2")
    assert handle.get_result(timeout=10) == 3


# --- moving


def test_a_move_with_an_unknown_id_moves_none(database):
    handle = app.total.using(version="v1").start(1)
    with pytest.raises(WorkflowNotFound, match="'nobody'"):
        durable.move_to_version([handle.workflow_id, "nobody"], "v2")
    assert row(handle.workflow_id).version == "v1"


@pytest.mark.parametrize("wrong", ["", " ", None, 2])
def test_a_version_without_a_name_is_refused(database, wrong):
    handle = app.total.start(1)
    with pytest.raises(InvalidOption, match="version"):
        durable.move_to_version(handle.workflow_id, wrong)


@pytest.mark.parametrize("wrong", [[None], [1], [["a"]], None, 7])
def test_what_is_no_id_is_refused(database, wrong):
    with pytest.raises(InvalidOption, match="workflow_ids"):
        durable.move_to_version(wrong, "v2")


def test_what_has_ended_keeps_its_version_unless_it_may_be_resumed(database):
    statuses = {
        "ENQUEUED": True, "DELAYED": True, "PENDING": True, "CANCELLED": True,
        "MAX_RECOVERY_ATTEMPTS_EXCEEDED": True, "SUCCESS": False, "ERROR": False,
    }  # fmt: skip
    for status in statuses:
        Workflow.objects.create(id=status, name="x", status=status, version="v1", input="")
    assert durable.move_to_version(list(statuses), "v2") == 5
    moved = Workflow.objects.filter(version="v2").values_list("id", flat=True)
    assert set(moved) == {status for status, is_moved in statuses.items() if is_moved}


def test_a_cancelled_workflow_is_moved_and_then_resumed(deploy):
    deploy("v1", VERSIONS="strict")
    handle = stays_same.start()
    waits_for(handle, "message:")
    durable.cancel_workflow(handle.workflow_id)
    deploy("v2")
    assert durable.move_to_version(handle.workflow_id, "v2") == 1
    assert row(handle.workflow_id).status == "CANCELLED"
    durable.resume_workflow(handle.workflow_id)
    durable.send(handle.workflow_id, 1, "go on")
    assert handle.get_result(timeout=10) == ["first in v1", "second in v2"]


# --- the register


def test_versions_are_listed_the_latest_first(deploy):
    assert (durable.list_versions(), durable.latest_version()) == ([], None)
    for version in ("v1", "v2", "v1", "v3"):
        deploy(version)
    assert [each.name for each in durable.list_versions()] == ["v3", "v2", "v1"]
    assert {each.application for each in durable.list_versions()} == {"tests"}
    durable.set_latest_version("v1")
    assert durable.latest_version().name == "v1"
    assert [each.name for each in durable.list_versions()] == ["v1", "v3", "v2"]


def test_versions_of_another_application_are_its_own(database):
    Version.objects.create(application="another", name="v9")
    assert durable.list_versions() == []
    with pytest.raises(VersionNotFound, match=r"no version 'v9' of this application\. Known: none"):
        durable.set_latest_version("v9")


def test_an_unknown_version_is_refused_with_the_known_ones(deploy):
    deploy("v1")
    with pytest.raises(VersionNotFound, match=r"no version 'v2' .* Known: v1\."):
        durable.set_latest_version("v2")


def test_coroutines_look_and_move_too(deploy):
    deploy("v1", VERSIONS="strict")
    handle = app.total.using(version="v2").start(2)

    async def main():
        await durable.aset_latest_version("v1")
        assert await durable.amove_to_version(handle.workflow_id, "v1") == 1
        return (await durable.alatest_version()).name, [each.name for each in await durable.alist_versions()]

    assert run_async(main()) == ("v1", ["v1"])
    assert handle.get_result(timeout=10) == 1


def test_nothing_of_this_counts_as_a_crash(deploy):
    deploy("v1")
    handle = stays_same.start()
    waits_for(handle, "message:")
    deploy("v2")
    assert "lost" not in Attempt.objects.values_list("outcome", flat=True)
    assert row(handle.workflow_id).recovery_attempts == 0
