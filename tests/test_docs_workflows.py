"""What docs/workflows.md, docs/steps.md and docs/versions.md show works as it is written there."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

import durable
from durable.errors import MaxStepRetriesExceeded, NotAuthorized, StepTimeout
from durable.executor import Executor
from durable.models import Step, StepAttempt, Workflow
from durable.registry import registry
from tests.app.models import Effect
from tests.support import run_async, wait_until

DOCS = Path(__file__).parents[1] / "docs"
TABLES = ("_definitions", "_ambiguous", "_queues", "_instances", "_classes")


class Page:
    """The Python blocks of a page, run one by one in a registry and a scope of their own."""

    def __init__(self, name: str, **scope):
        self.name = name
        text = (DOCS / name).read_text()
        self.blocks = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
        self.scope = {"__name__": f"page_{name}", "durable": durable, "asyncio": asyncio, **scope}

    def run(self, *starts: str) -> SimpleNamespace:
        for start in starts:
            [code] = [block for block in self.blocks if block.startswith(start)]
            self.blocks.remove(code)
            exec(compile(code, f"docs/{self.name}", "exec"), self.scope)
        return SimpleNamespace(**self.scope)


@pytest.fixture
def page(database, monkeypatch):
    for table in TABLES:
        monkeypatch.setattr(registry, table, {})
    return Page


@pytest.fixture
def working(page, executor):
    """An executor that knows what the page's blocks define."""
    return executor


@pytest.mark.parametrize("name", ["workflows.md", "steps.md", "versions.md"])
def test_every_name_of_durable_on_the_page_exists(name):
    text = (DOCS / name).read_text()
    named = set(re.findall(r"`?@?durable\.([A-Za-z_]+)", text)) - {"errors"}
    assert named and [each for each in sorted(named) if not hasattr(durable, each)] == []
    errors = re.findall(
        r"`([A-Z]\w+(?:Timeout|Cancelled|Dead|InUse|Conflict|Resumable|Authorized|Exceeded|Determinism))`", text
    )
    assert [each for each in errors if not hasattr(durable.errors, each) and not each.isupper()] == []


def test_workflows(page, working):
    shown = page("workflows.md")
    code = shown.run("# workflows.py", "checkout(", "@durable.workflow()\nasync def checkout_all")
    assert code.handle.get_result(timeout=10) == "receipt for order-3"
    assert run_async(code.checkout_all(["a", "b"])) == ["receipt for a", "receipt for b"]

    shown.run("handle = checkout.using")
    first, second = Workflow.objects.get(pk="order-4"), Workflow.objects.get(pk="order-5")
    assert (first.timeout, first.attributes) == (3600, {"customer": "acme"})
    assert (second.timeout, second.attributes) == (3600, None)

    shown.run("first = checkout")
    code = shown.run("@durable.workflow()\ndef fulfil")
    assert code.fulfil.using(workflow_id="fulfils").start(["c", "d"]).get_result(timeout=10) == [
        "receipt for c", "receipt for d",
    ]  # fmt: skip
    assert Workflow.objects.filter(pk="fulfils-2", parent="fulfils").exists()

    shown.run("with durable.SetWorkflowTimeout")
    assert Workflow.objects.filter(timeout=3600).count() == 3
    code.checkout.using(workflow_id="order-7").start("order-7")
    shown.run("durable.cancel_workflow")
    assert durable.retrieve_workflow("order-7").get_result(timeout=10) == "receipt for order-7"
    assert Workflow.objects.get(pk="order-7").attributes == {"checked": True}

    code = shown.run('@durable.workflow(name="resize"', "checkout.using(attributes")
    assert code.resize.max_recovery_attempts == 3
    assert durable.list_workflows(attributes={"customer": "acme", "rush": True})

    code = shown.run("@durable.required_roles")
    with durable.SetAuthentication("ann", ["clerk", "manager"]):
        assert code.refund("order-8") == "ann refunds order-8 as manager"
    with pytest.raises(NotAuthorized):
        code.refund("order-8")

    code = shown.run("@durable.workflow_class")
    assert code.handle.get_result(timeout=10) == "help@example.com to ann"
    assert code.Mailbox.digest.start(["ann"]).get_result(timeout=10) == "Mailbox for 1"
    assert durable.start_workflow(code.support.deliver, "bob").get_result(timeout=10) == "help@example.com to bob"
    assert shown.blocks == []


def test_steps(page, working):
    told: list[str] = []
    payments = SimpleNamespace(charge=lambda amount, idempotency_key: told.append(idempotency_key) or amount)
    orders = SimpleNamespace(filter=lambda pk: SimpleNamespace(update=lambda status: Effect.objects.create(key=status)))

    class Carrier:
        tries = 0

        def deliver(self, parcel):
            self.tries += 1
            raise ValueError("no such address") if parcel == "lost" else ConnectionError(f"try {self.tries}")

    async def oracle(question):
        await asyncio.sleep(10)

    shown = page("steps.md", payments=payments, Order=SimpleNamespace(objects=orders), carrier=Carrier(), oracle=oracle)
    code = shown.run("# workflows.py")
    assert code.index.start("x").get_result(timeout=10) == len("page of x")
    code = shown.run("@durable.step(retries_allowed=True, max_attempts=5)", "@durable.transaction()")
    code = shown.run("@durable.step(\n", "@durable.step(timeout_seconds", "@durable.workflow()\ndef lowercase")

    @durable.workflow(name="uses steps")
    def uses_steps(parcel):
        code.pay("order-1", 7)
        code.reserve("order-1")
        code.deliver(parcel)

    with pytest.raises(ValueError, match="no such address"):
        uses_steps.using(workflow_id="w").start("lost").get_result(timeout=10)
    assert told == ["w:1"]
    assert Effect.objects.get().key == "reserved"
    with pytest.raises(MaxStepRetriesExceeded) as raised:
        uses_steps.start("parcel").get_result(timeout=10)
    assert [str(each) for each in raised.value.errors] == [f"try {n}" for n in (2, 3, 4, 5)]

    @durable.workflow(name="asks")
    async def asks():
        await code.ask("why")

    with pytest.raises(MaxStepRetriesExceeded) as raised:
        asks.start().get_result(timeout=10)
    assert [type(each) for each in raised.value.errors] == [StepTimeout] * 2

    @durable.workflow(name="watches camera")
    async def watches():
        await code.watch("door")

    handle = watches.start()
    wait_until(lambda: handle.workflow_id in working.running and working.running[handle.workflow_id].frame)
    durable.cancel_workflow(handle.workflow_id)
    wait_until(lambda: handle.workflow_id not in working.running)

    assert code.lowercase("ABC") == "abc"
    assert Step.objects.filter(name="lower").exists()
    code = shown.run("handle = fetch.start")
    assert code.handle.get_result(timeout=10) == "page of https://example.com"
    assert StepAttempt.objects.filter(name="deliver").count() == 1 + 4
    assert shown.blocks == []


# --- versions.md

FIRST, SECOND, THIRD = "2026-11-19", "2026-11-20", "2026-11-21"
ASKS, MOVES, GOES_BACK = "import durable", "durable.move_to_version([", 'durable.move_to_version("order-9"'
PATCHED, DEPRECATED = "# second version", "# third version"


class Checkouts:
    """The page's `checkout`, deployed in one version after another where versions are strict."""

    def __init__(self, page, settings):
        self.settings, self.executor = settings, None
        self.charge, check_fraud = self.note("charge"), self.note("check_fraud")
        self.shown = page("versions.md", charge=self.charge, check_fraud=check_fraud)

    @staticmethod
    def note(key):
        return durable.step(name=key)(lambda order: Effect.objects.create(key=f"{key} {order}") and None)

    def deploy(self, version: str, block: str = "") -> None:
        """Let an executor of `version` follow the one before. Its code is a block of the page, or what came first."""
        self.end()
        registry._definitions.pop("checkout", None)
        self.checkout = self.shown.run(block).checkout if block else self.first_code()
        strictly = {"APPLICATION_VERSION": version, "VERSIONS": "strict", "PARK_AFTER_SECONDS": 0}
        self.settings.DURABLE = {**self.settings.DURABLE, **strictly}
        self.executor = Executor().start()

    def first_code(self):
        @durable.workflow(name="checkout")
        def checkout(order):
            self.charge(order)
            durable.recv("shipped")
            return "done"

        return checkout

    def begin(self, order: str) -> None:
        self.checkout.using(workflow_id=order).start(order)
        wait_until(lambda: Workflow.objects.get(pk=order).waiting_for == "message:shipped")

    def finish(self, order: str) -> list[str]:
        """Say that an order is shipped. What its workflow has done in the end."""
        durable.send(order, 1, "shipped")
        assert durable.retrieve_workflow(order).get_result(timeout=10) == "done"
        return self.done(order)

    def done(self, order: str) -> list[str]:
        return list(Effect.objects.filter(key__endswith=order).order_by("pk").values_list("key", flat=True))

    def end(self) -> None:
        if self.executor:
            self.executor.drain(1)


@pytest.fixture
def checkouts(page, settings):
    checkouts = Checkouts(page, settings)
    yield checkouts
    checkouts.end()


def test_every_block_about_versions_is_one_of_those_that_run_here():
    starts = (ASKS, MOVES, GOES_BACK, PATCHED, DEPRECATED)
    assert [block for block in Page("versions.md").blocks if not block.startswith(starts)] == []


def test_a_process_knows_its_version_and_those_that_executors_have_run(checkouts):
    checkouts.deploy(FIRST)
    checkouts.deploy(SECOND, PATCHED)
    checkouts.shown.run(ASKS)
    assert durable.application_version() == SECOND
    assert [version.name for version in durable.list_versions()] == [SECOND, FIRST]
    assert durable.latest_version().name == SECOND


@pytest.fixture
def moved(checkouts):
    """Two orders that began in the first version; the page moves them to the second, and returns to the first."""
    checkouts.deploy(FIRST)
    checkouts.begin("order-7")
    checkouts.begin("order-8")
    checkouts.deploy(SECOND, PATCHED)
    checkouts.shown.run(MOVES)
    return checkouts


def test_workflows_that_are_moved_to_a_patched_version_go_on_as_they_began(moved):
    assert set(Workflow.objects.values_list("id", "version")) == {("order-7", SECOND), ("order-8", SECOND)}
    assert moved.finish("order-7") == ["charge order-7"]


def test_after_a_roll_back_the_version_that_was_named_is_the_latest(moved):
    assert durable.latest_version().name == FIRST


def test_a_workflow_that_has_the_mark_of_a_patch_fits_the_code_in_which_it_is_deprecated(checkouts):
    checkouts.deploy(SECOND, PATCHED)
    checkouts.begin("order-10")
    checkouts.deploy(THIRD, DEPRECATED)
    durable.move_to_version("order-10", THIRD)
    assert checkouts.finish("order-10") == ["check_fraud order-10", "charge order-10"]


def test_a_new_workflow_takes_the_way_of_a_deprecated_patch(checkouts):
    checkouts.deploy(THIRD, DEPRECATED)
    checkouts.begin("order-11")
    assert checkouts.finish("order-11") == ["check_fraud order-11", "charge order-11"]


def test_a_workflow_that_other_code_does_not_fit_is_stopped_and_ends_where_it_does(checkouts):
    checkouts.deploy(FIRST)
    checkouts.begin("order-9")
    checkouts.deploy(THIRD, DEPRECATED)
    durable.move_to_version("order-9", THIRD)
    durable.send("order-9", 1, "shipped")
    with pytest.raises(durable.errors.NonDeterminism, match="recorded 'charge', now 'check_fraud'"):
        durable.retrieve_workflow("order-9").get_result(timeout=10)
    checkouts.deploy(FIRST)
    checkouts.shown.run(GOES_BACK)
    assert durable.retrieve_workflow("order-9").get_result(timeout=10) == "done"
    assert checkouts.done("order-9") == ["charge order-9"]
