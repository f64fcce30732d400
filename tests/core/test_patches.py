"""Patches: which way an execution takes that was under way when the code changed."""

from __future__ import annotations

import asyncio

import pytest

import durable
from durable.errors import InsideStep, InvalidOption, NonDeterminism, OutsideWorkflow
from durable.models import Step
from tests.app.models import Effect
from tests.support import wait_until

from .deploying import adoes, code, does, does_another, effects, gate, holds, row, waits_for


@durable.workflow(name="patches.patched")
def patched():
    does("first")
    done = does_another("better") if code.now != "v1" and durable.patch("better") else does("good")
    durable.recv("go on")
    return [done, does("last")]


@durable.workflow(name="patches.apatched")
async def apatched():
    await adoes("first")
    done = await adoes("better" if code.now != "v1" and await durable.apatch("better") else "good")
    await durable.arecv("go on")
    return [done, await adoes("last")]


PATCHED = pytest.mark.parametrize("workflow", [patched, apatched], ids=["thread", "coroutine"])


def names(handle) -> list[str]:
    steps = Step.objects.filter(workflow_id=handle.workflow_id).order_by("seq")
    return [each.name.removeprefix("versions.") for each in steps]


@PATCHED
def test_what_was_past_the_patch_takes_the_old_way_and_what_is_new_takes_the_new(deploy, workflow):
    deploy("v1")
    old = workflow.start()
    waits_for(old, "message:")
    executor = deploy("v2")
    new = workflow.start()
    waits_for(new, "message:")
    for handle in (old, new):
        durable.send(handle.workflow_id, 1, "go on")  # both replay from their first step
    wait_until(lambda: row(old.workflow_id).run_after or row(old.workflow_id).is_finished)
    executor.sweeper.set_aside()
    assert old.get_result(timeout=10) == ["good", "last"]
    assert new.get_result(timeout=10) == ["better", "last"]
    assert "patch:better" not in names(old)
    assert names(new)[1] == "patch:better"
    assert effects() == ["first", "good", "first", "better", "last", "last"]


@durable.workflow(name="patches.reaches")
def reaches():
    does("first")
    durable.recv("go on")
    return does_another("better") if code.now != "v1" and durable.patch("better") else does("good")


def test_what_has_not_reached_the_patch_yet_takes_the_new_way(deploy):
    deploy("v1")
    handle = reaches.start()
    waits_for(handle, "message:")
    executor = deploy("v2")
    durable.send(handle.workflow_id, 1, "go on")
    wait_until(lambda: row(handle.workflow_id).run_after or row(handle.workflow_id).is_finished)
    executor.sweeper.set_aside()
    assert handle.get_result(timeout=10) == "better"


@durable.workflow(name="patches.crashes_behind_patch")
def crashes_behind_patch():
    if durable.patch("better"):
        holds()
        return f"better in {code.now}"
    return "good"


def test_a_crash_behind_the_patch_takes_the_new_way_again(deploy):
    deploy("v2")
    handle = crashes_behind_patch.start()
    wait_until(lambda: effects() == ["held"])
    deploy("v3", crash=True).sweeper.set_aside()
    wait_until(lambda: effects() == ["held", "held"])
    gate.set()
    assert handle.get_result(timeout=10) == "better in v3"
    assert names(handle) == ["patch:better", "holds"]


@durable.step(name="patches.is_slow")
async def is_slow(key):
    await Effect.objects.acreate(key=f"slow {key}")
    while not gate.is_set():
        await asyncio.sleep(0.01)
    return key


@durable.workflow(name="patches.at_once")
async def at_once():
    if code.now != "v1" and await durable.apatch("better"):
        return await adoes("better")
    return await asyncio.gather(is_slow("old"), adoes("quick"))


def test_what_recorded_a_later_step_before_an_earlier_one_was_past_the_patch(deploy):
    deploy("v1")
    handle = at_once.start()
    wait_until(lambda: names(handle) == ["adoes"] and "slow old" in effects())  # slot 2, while slot 1 is open
    deploy("v2", crash=True).sweeper.set_aside()
    wait_until(lambda: effects().count("slow old") == 2)
    gate.set()
    assert handle.get_result(timeout=10) == ["old", "quick"]
    assert effects().count("quick") == 1


@durable.workflow(name="patches.retires")
def retires():
    if code.now == "v1":
        done = does("good")
    elif code.now == "v2":
        done = does("better") if durable.patch("better") else does("good")
    elif code.now == "v3":
        durable.deprecate_patch("better")
        done = does("better")
    else:
        done = does("better")
    durable.recv("go on")
    return done


@durable.workflow(name="patches.aretires")
async def aretires():
    if code.now == "v2":
        await durable.apatch("better")
    elif code.now == "v3":
        await durable.adeprecate_patch("better")
    done = await adoes("better")
    await durable.arecv("go on")
    return done


@pytest.mark.parametrize("workflow", [retires, aretires], ids=["thread", "coroutine"])
def test_a_deprecated_patch_keeps_in_step_what_recorded_it_and_leaves_no_mark_elsewhere(deploy, workflow):
    deploy("v2", VERSIONS="strict")
    old, stays = workflow.start(), workflow.start()
    waits_for(old, "message:")
    waits_for(stays, "message:")
    deploy("v3")
    new = workflow.start()
    waits_for(new, "message:")
    durable.move_to_version(old.workflow_id, "v3")
    for handle in (old, new):
        durable.send(handle.workflow_id, 1, "go on")
        assert handle.get_result(timeout=10) == "better"
    assert "patch:better" in names(old) and "patch:better" not in names(new)

    deploy("v4")  # the deprecation is removed, too early for one that has the mark
    durable.move_to_version(stays.workflow_id, "v4")
    durable.send(stays.workflow_id, 1, "go on")
    with pytest.raises(NonDeterminism, match="recorded 'patch:better'"):
        stays.get_result(timeout=10)


@durable.workflow(name="patches.patches_twice")
def patches_twice():
    ways = []
    for name in ("one", "two") if code.now == "v2" else ("two",):
        ways.append(durable.patch(name))
        does(name)
    durable.recv("go on")
    return [*ways, durable.patch("two"), durable.patch("one")]


def test_each_patch_has_its_own_mark_wherever_it_is_asked_for(deploy):
    deploy("v2")
    handle = patches_twice.start()
    waits_for(handle, "message:")
    durable.send(handle.workflow_id, 1, "go on")
    assert handle.get_result(timeout=10) == [True] * 4
    assert names(handle) == ["patch:one", "does", "patch:two", "does", "recv", "sleep", "patch:two", "patch:one"]


def test_a_direct_call_is_patched_too(database):
    @durable.workflow(name="patches.called")
    def called():
        return durable.patch("better"), durable.deprecate_patch("older")

    assert called() == (True, True)


def test_a_patch_belongs_in_a_workflow(executor):
    with pytest.raises(OutsideWorkflow, match="patch"):
        durable.patch("x")
    with pytest.raises(OutsideWorkflow, match="deprecate_patch"):
        durable.deprecate_patch("x")
    with pytest.raises(InsideStep, match="patch"):
        in_a_step.start().get_result(timeout=10)
    with pytest.raises(InvalidOption):
        durable.patch(7)


@durable.workflow(name="patches.in_a_step")
def in_a_step():
    durable.run_step({"name": "patches"}, lambda: durable.patch("x"))
