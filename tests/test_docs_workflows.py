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


def test_versions(page, settings):
    def start(version: str) -> Executor:
        settings.DURABLE = {
            **settings.DURABLE, "APPLICATION_VERSION": version, "VERSIONS": "strict", "PARK_AFTER_SECONDS": 0,
        }  # fmt: skip
        return Executor().start()

    def note(key):
        return durable.step(name=key)(lambda order: Effect.objects.create(key=f"{key} {order}") and None)

    code = {"check_fraud": note("check_fraud"), "charge": note("charge")}
    shown = page("versions.md", **code)

    @durable.workflow(name="checkout")
    def checkout(order):
        code["charge"](order)
        durable.recv("shipped")
        return "done"

    def parked(handle):
        wait_until(lambda: Workflow.objects.get(pk=handle.workflow_id).waiting_for == "message:shipped")
        return handle

    def finish(handle):
        durable.move_to_version(handle.workflow_id, durable.application_version())
        durable.send(handle.workflow_id, 1, "shipped")
        assert handle.get_result(timeout=10) == "done"
        return list(Effect.objects.filter(key__endswith=handle.workflow_id).values_list("key", flat=True))

    def begin(definition, workflow_id):
        return parked(definition.using(workflow_id=workflow_id).start(workflow_id))

    first = start("2026-11-19")
    shown.run("import durable")
    for workflow_id in ("order-7", "order-8", "order-9"):
        begin(checkout, workflow_id)
    first.drain(1)

    registry._definitions.pop("checkout")
    second_code = shown.run("# second version").checkout
    second = start("2026-11-20")
    shown.run("durable.move_to_version([")
    new = begin(second_code, "order-10")
    assert finish(durable.retrieve_workflow("order-7")) == ["charge order-7"]
    assert Workflow.objects.get(pk="order-8").version == "2026-11-20"
    assert durable.latest_version().name == "2026-11-19"
    second.drain(1)

    registry._definitions.pop("checkout")
    third_code = shown.run("# third version").checkout
    third = start("2026-11-21")
    assert finish(new) == ["check_fraud order-10", "charge order-10"]
    assert finish(begin(third_code, "order-11")) == ["check_fraud order-11", "charge order-11"]
    durable.move_to_version("order-9", "2026-11-21")
    durable.send("order-9", 1, "shipped")
    with pytest.raises(durable.errors.NonDeterminism, match="recorded 'charge', now 'check_fraud'"):
        durable.retrieve_workflow("order-9").get_result(timeout=10)
    third.drain(1)

    registry._definitions["checkout"] = checkout
    shown.run('durable.move_to_version("order-9"')
    first_again = start("2026-11-19")
    assert durable.retrieve_workflow("order-9").get_result(timeout=10) == "done"
    first_again.drain(1)
    assert shown.blocks == []
