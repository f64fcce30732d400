"""What the documents show works as it is written there."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

import durable
from durable.executor import Executor
from durable.registry import registry
from tests.app.models import Effect

ROOT = Path(__file__).parents[1]


def block(place: str, start: str) -> str:
    """The fenced code of a document that begins with `start`."""
    found = re.findall(r"^```\w*\n(.*?)^```", (ROOT / place).read_text(), re.M | re.S)
    return next(code for code in found if code.startswith(start))


def test_the_readmes_workflow_runs_as_printed(database, monkeypatch):
    monkeypatch.setattr(registry, "_definitions", {})  # an example has a checkout too

    def charge(order_id, idempotency_key):
        Effect.objects.create(key=idempotency_key, detail=f"charge {order_id}")

    orders = SimpleNamespace(filter=lambda pk: SimpleNamespace(update=lambda status: Effect.objects.create(key=status)))
    scope = {
        "__name__": f"readme_{database}",
        "Order": SimpleNamespace(objects=orders),
        "payments": SimpleNamespace(charge=charge),
        "thank": durable.step(name=f"thank_{database}")(lambda order_id: Effect.objects.create(key="thanked") and None),
    }
    code = block("README.md", "# workflows.py").replace("86_400", "0.01")
    exec(compile(code, "README.md", "exec"), scope)
    for name in ("reserve", "charge", "checkout"):
        assert name in scope
    executor = Executor(concurrency=4).start()
    handle = scope["checkout"].using(workflow_id="order-1").start(1)
    durable.send("order-1", "paid", "payment")
    handle.get_result(timeout=10)
    executor.drain(1)
    assert list(Effect.objects.values_list("key", flat=True)) == ["reserved", "order-1:4", "thanked"]


@pytest.mark.parametrize(
    "place", ["README.md", "CONTRIBUTING.md", *(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))]
)
def test_every_link_and_picture_of_a_document_leads_somewhere(place):
    folder = (ROOT / place).parent
    targets = re.findall(r"\]\(([^)#\s]+)\)", (ROOT / place).read_text())
    missing = [t for t in targets if "://" not in t and not t.startswith("/") and not (folder / t).exists()]
    assert missing == []
