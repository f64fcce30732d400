"""What AI assistants are taught works as it is written there."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

import durable
from durable.registry import registry

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/ai-prompt.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)


@pytest.fixture
def taught(database, monkeypatch):
    """The names that the page's blocks define, in an empty registry."""
    monkeypatch.setattr(registry, "_definitions", {})
    monkeypatch.setattr(registry, "_ambiguous", {})
    monkeypatch.setattr(registry, "_queues", {})
    monkeypatch.setattr(registry, "_schedules", {})
    monkeypatch.setattr(registry, "_classes", {})
    monkeypatch.setattr(registry, "_instances", {})
    updated: list[str] = []
    orders = SimpleNamespace(filter=lambda pk: SimpleNamespace(update=lambda status: updated.append(status)))
    shop = ModuleType("shop.models")
    shop.Order = SimpleNamespace(objects=orders)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "shop", ModuleType("shop"))
    monkeypatch.setitem(sys.modules, "shop.models", shop)
    charged = SimpleNamespace(charge=lambda order_id, idempotency_key: f"receipt {order_id} {idempotency_key}")
    scope = {"__name__": f"taught_{database}", "payments": charged, "updated": updated}
    for number, code in enumerate(BLOCKS[1:]):  # the first one is a settings file
        exec(compile(code, f"ai-prompt.md block {number}", "exec"), scope)
    return SimpleNamespace(**scope)


def test_every_name_of_durable_on_the_page_exists():
    named = set(re.findall(r"durable\.([A-Za-z_]+)", PAGE)) - {"errors", "register"}
    assert named
    assert [name for name in sorted(named) if not hasattr(durable, name)] == []


def test_a_workflow_with_a_step_and_a_transaction(taught, executor):
    handle = taught.checkout.using(workflow_id="order-7", timeout=3600).start(7)
    assert handle.get_result(timeout=10) == "receipt 7 order-7:2"
    assert durable.get_event("order-7", "receipt", 5) == "receipt 7 order-7:2"
    assert taught.updated == ["reserved"]
    assert taught.checkout.using(workflow_id="order-7").start(7).workflow_id == "order-7"


def test_waiting(taught, executor):
    assert taught.reminder.start(1, 0.0000001).get_result(timeout=10).startswith("receipt 1")
    handle = taught.approval.start(1)
    durable.send(handle.workflow_id, "yes", "answer")
    assert handle.get_result(timeout=10) == "yes"


def test_queues(taught, executor):
    assert taught.newsletter.start(["a", "b"]).get_result(timeout=10) == ["sent to a", "sent to b"]
    assert taught.deliver_for("t1", "c").get_result(timeout=10) == "sent to c"
    assert durable.gather(taught.queue.enqueue_many(taught.deliver, ["d", "e"])) == ["sent to d", "sent to e"]
    debouncer = durable.Debouncer.create(taught.newsletter, queue=taught.queue)
    debouncer.debounce("k", 0.1, ["f"])
    assert debouncer.debounce("k", 0.1, ["g"]).get_result(timeout=10) == ["sent to g"]


def test_schedules_coroutines_and_methods(taught, executor):
    moment = datetime(2026, 11, 20, 2, tzinfo=UTC)
    assert taught.nightly.start(moment, moment).get_result(timeout=10) == moment.isoformat()
    assert taught.crawl.start(["a", "b"]).get_result(timeout=10) == ["A", "B"]
    assert taught.example.run.start().get_result(timeout=10) == "page of https://example.com"


def test_steering(taught, executor):
    handle = taught.checkout.start(8)
    handle.get_result(timeout=10)
    assert [row.pk for row in durable.list_workflows(name="checkout", limit=10)] == [handle.workflow_id]
    steps = [(step.seq, step.name) for step in durable.list_workflow_steps(handle.workflow_id)]
    assert steps == [(1, "reserve"), (2, "charge"), (3, "set_event")]
    assert durable.fork_workflow(handle.workflow_id, start_step=3).get_result(timeout=10).startswith("receipt 8")
