"""Who may run what: on whose behalf workflows run, and what is denied to them."""

from __future__ import annotations

import asyncio

import pytest

import durable
from durable.errors import InvalidOption, NotAuthorized
from durable.executor import Executor
from durable.models import Step, Workflow
from tests.app.models import Effect
from tests.support import run_async, wait_until


def who() -> list:
    return [durable.authenticated_user(), durable.authenticated_roles(), durable.assumed_role()]


@durable.step(name="roles.asks")
def asks():
    return who()


@durable.step(name="roles.aasks")
async def aasks():
    return who()


@durable.workflow(name="roles.tells")
def tells():
    return [who(), asks()]


@durable.workflow(name="roles.atells")
async def atells():
    return [who(), await aasks()]


@durable.required_roles(["boss", "clerk"])
@durable.workflow(name="roles.guarded")
def guarded():
    return [who(), asks()]


@durable.required_roles(["boss", "clerk"])
@durable.workflow(name="roles.aguarded")
async def aguarded():
    return [who(), await aasks()]


@durable.workflow(name="roles.guarded_below")
@durable.required_roles(["boss", "clerk"])
def guarded_below():
    return [who(), asks()]


@durable.workflow(name="roles.aguarded_below")
@durable.required_roles(["boss", "clerk"])
async def aguarded_below():
    return [who(), await aasks()]


GUARDED = pytest.mark.parametrize(
    "workflow", [guarded, guarded_below, aguarded, aguarded_below], ids=["above", "below", "async above", "async below"]
)


def row(workflow_id: str) -> Workflow:
    return Workflow.objects.get(pk=workflow_id)


def call(workflow):
    return run_async(workflow()) if workflow.is_async else workflow()


# --- on whose behalf


@pytest.mark.parametrize("workflow", [tells, atells], ids=["thread", "coroutine"])
def test_a_workflow_knows_as_whom_it_runs(executor, workflow):
    with durable.SetAuthentication("ann", ["clerk", "cook"]):
        assert who() == ["ann", ["clerk", "cook"], None]
        handle = workflow.start()
        assert call(workflow) == [["ann", ["clerk", "cook"], None]] * 2
    assert handle.get_result(timeout=10) == [["ann", ["clerk", "cook"], None]] * 2
    found = row(handle.workflow_id)
    assert (found.authenticated_user, found.authenticated_roles, found.assumed_role) == ("ann", ["clerk", "cook"], None)


def test_without_one_nobody_is_known(executor):
    assert who() == [None, None, None]
    assert tells.start().get_result(timeout=10) == [[None, None, None]] * 2


def test_a_user_without_roles_has_none(executor):
    with durable.SetAuthentication("ann"):
        assert tells.start().get_result(timeout=10)[0] == ["ann", None, None]
    with durable.SetAuthentication("ann", []):
        assert tells.start().get_result(timeout=10)[0] == ["ann", [], None]


@durable.workflow(name="roles.begets")
def begets():
    def heard(block):
        with block:
            return [tells()[0], tells.start().get_result()[0]]

    inherited = [tells()[0], tells.start().get_result()[0]]
    queued = durable.Queue("roles").enqueue(tells).get_result()[0]
    return [*inherited, queued, *heard(durable.SetAuthentication("bob", ["cook"]))]


@durable.workflow(name="roles.abegets")
async def abegets():
    inherited = [(await atells())[0], (await (await atells.astart()).aget_result())[0]]
    queued = (await (await durable.Queue("roles").aenqueue(atells)).aget_result())[0]
    with durable.SetAuthentication("bob", ["cook"]):
        others = [(await atells())[0], (await (await atells.astart()).aget_result())[0]]
    return [*inherited, queued, *others]


@pytest.mark.parametrize("parent", [begets, abegets], ids=["threads", "coroutines"])
def test_children_inherit_it_unless_they_are_told_otherwise(executor, parent):
    with durable.SetAuthentication("ann", ["clerk"]):
        handle = parent.start()
    ann, bob = ["ann", ["clerk"], None], ["bob", ["cook"], None]
    assert handle.get_result(timeout=10) == [ann, ann, ann, bob, bob]


@durable.workflow(name="roles.remembers")
def remembers():
    before = who()
    durable.recv("go on")
    return [before, who(), tells.start().get_result()[0]]


def test_it_outlives_the_executor(database):
    first = Executor().start()
    with durable.SetAuthentication("ann", ["clerk"]):
        handle = remembers.start()
    wait_until(lambda: row(handle.workflow_id).waiting_for == "message:go on")
    first.drain(1)
    second = Executor().start()
    durable.send(handle.workflow_id, 1, "go on")
    assert handle.get_result(timeout=10) == [["ann", ["clerk"], None]] * 3
    second.drain(1)


# --- what is guarded


@GUARDED
def test_who_has_a_role_assumes_the_first_that_fits(executor, workflow):
    with durable.SetAuthentication("ann", ["cook", "clerk"]):
        assert call(workflow) == [["ann", ["cook", "clerk"], "clerk"]] * 2
        handle = workflow.start()
    assert handle.get_result(timeout=10) == [["ann", ["cook", "clerk"], "clerk"]] * 2
    assert row(handle.workflow_id).assumed_role == "clerk"


@GUARDED
@pytest.mark.parametrize("block", [durable.SetAuthentication("ann", ["cook"]), durable.SetAuthentication("ann", [])])
def test_who_has_none_is_denied_and_the_workflow_ends_in_an_error(executor, workflow, block):
    with block:
        handle = workflow.start()
        with pytest.raises(NotAuthorized, match=r"needs one of the roles boss, clerk; its user has (cook|none)"):
            call(workflow)
    with pytest.raises(NotAuthorized, match="needs one of the roles boss, clerk") as raised:
        handle.get_result(timeout=10)
    assert raised.value.is_authenticated
    found = row(handle.workflow_id)
    assert (found.status, found.error_type, found.assumed_role) == ("ERROR", "NotAuthorized", None)
    assert not Step.objects.exists()


@GUARDED
def test_whom_nobody_named_is_denied(executor, workflow):
    with pytest.raises(NotAuthorized, match="started without a user and roles") as raised:
        call(workflow)
    assert not raised.value.is_authenticated
    assert Workflow.objects.get().status == "ERROR"


def test_half_the_name_of_a_role_is_none(executor):
    """Roles come back from the database as what they were."""
    with durable.SetAuthentication("ann", ["big boss", "bos", "bossy"]):
        handle = durable.Queue("roles").enqueue(guarded)
    with pytest.raises(NotAuthorized):
        handle.get_result(timeout=10)


def test_started_by_name_it_is_guarded_and_assumes_a_role_too(executor):
    with durable.SetAuthentication("ann", ["clerk"]):
        handle = durable.start_by_name("roles.guarded")
    assert handle.get_result(timeout=10) == [["ann", ["clerk"], "clerk"]] * 2
    with pytest.raises(NotAuthorized):
        durable.start_by_name("roles.guarded").get_result(timeout=10)


@durable.workflow(name="roles.escalates")
def escalates():
    try:
        guarded()
    except NotAuthorized:
        denied = "denied"
    with durable.SetAuthentication("root", ["boss"]):
        return [denied, guarded()[0]]


def test_a_child_is_guarded_on_behalf_of_its_parents_user(executor):
    with durable.SetAuthentication("ann", ["cook"]):
        assert escalates.start().get_result(timeout=10) == ["denied", ["root", ["boss"], "boss"]]


@durable.required_roles(["boss"])
@durable.step(name="roles.guarded_step")
def guarded_step():
    Effect.objects.create(key="done")
    return "done"


@durable.step(name="roles.guarded_step_below")
@durable.required_roles(["boss"])
def guarded_step_below():
    Effect.objects.create(key="done")
    return "done"


@durable.required_roles(["boss"])
@durable.transaction(name="roles.guarded_transaction")
def guarded_transaction():
    Effect.objects.create(key="done")
    return "done"


@durable.required_roles(["boss"])
@durable.step(name="roles.guarded_astep")
async def guarded_astep():
    await Effect.objects.acreate(key="done")
    return "done"


STEPS = {
    "step": guarded_step,
    "step below": guarded_step_below,
    "transaction": guarded_transaction,
    "async step": guarded_astep,
}


@durable.workflow(name="roles.does")
def does(what):
    return STEPS[what]()


@durable.workflow(name="roles.adoes")
async def adoes(what):
    return await STEPS[what]()


@pytest.mark.parametrize("what", STEPS)
def test_a_step_is_guarded_in_a_workflow_by_itself_and_outside(executor, what):
    step = STEPS[what]
    workflow = adoes if what == "async step" else does

    def plainly():
        return run_async(step()) if what == "async step" else step()

    for begin in (
        lambda: workflow.start(what).get_result(timeout=10),
        lambda: durable.start_workflow(step).get_result(timeout=10),
        lambda: durable.Queue("roles").enqueue(step).get_result(timeout=10),
        plainly,
    ):
        with durable.SetAuthentication("ann", ["cook"]), pytest.raises(NotAuthorized):
            begin()
        assert not Effect.objects.exists()
        with durable.SetAuthentication("ann", ["boss"]):
            assert begin() == "done"
        Effect.objects.all().delete()


def test_coroutine_steps_keep_the_order_of_their_calls(executor):
    @durable.workflow(name="roles.gathers")
    async def gathers():
        guarded_call = guarded_astep()
        return await asyncio.gather(aasks(), guarded_call)

    with durable.SetAuthentication("ann", ["boss"]):
        gathers.start().get_result(timeout=10)
    assert [each.name for each in Step.objects.order_by("seq")] == ["roles.guarded_astep", "roles.aasks"]


@durable.required_roles(["boss"])
def plain():
    return "done"


@durable.required_roles(["boss"])
async def aplain():
    return "done"


def test_plain_functions_and_coroutines_are_guarded_by_the_enclosing_block(database):
    for attempt in (plain, lambda: run_async(aplain())):
        with pytest.raises(NotAuthorized):
            attempt()
        with durable.SetAuthentication("ann", ["boss"]):
            assert attempt() == "done"
            with durable.SetAuthentication("bob", ["cook"]), pytest.raises(NotAuthorized, match="its user has cook"):
                attempt()


def test_inside_a_workflow_its_own_user_counts_and_no_block_around_the_call(executor):
    @durable.workflow(name="roles.calls_plain")
    def calls_plain():
        with durable.SetAuthentication("root", ["boss"]):
            return plain()

    with durable.SetAuthentication("ann", ["cook"]), pytest.raises(NotAuthorized):
        calls_plain()
    with durable.SetAuthentication("ann", ["boss"]):
        assert calls_plain() == "done"


def test_no_roles_ask_for_nothing(database):
    assert durable.required_roles([])(lambda: "done")() == "done"


def test_a_denial_is_raised_again_with_its_facts_in_another_process(executor):
    with durable.SetAuthentication("ann", ["cook"]):
        handle = guarded.start()
    with pytest.raises(NotAuthorized) as raised:
        durable.retrieve_workflow(handle.workflow_id).get_result(timeout=10)
    assert (raised.value.function, raised.value.roles) == ("guarded", "boss, clerk")


@pytest.mark.parametrize("wrong", [[""], [1], [None]])
def test_what_is_no_list_of_roles_is_refused(wrong):
    with pytest.raises(InvalidOption, match="roles"):
        durable.required_roles(wrong)


def test_one_role_may_be_named_without_a_list(database):
    only = durable.required_roles("boss")(lambda: "done")
    with durable.SetAuthentication("ann", ["boss"]):
        assert only() == "done"
