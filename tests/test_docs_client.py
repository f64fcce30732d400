"""What docs/client.md shows works as it is written there."""

from __future__ import annotations

import re

import pytest
from django.conf import settings

import durable
from durable.client import METHODS, STREAMS
from durable.filters import CRITERIA
from durable.models import Workflow
from tests.support.addresses import address_of
from tests.support.processes import ROOT

TEXT = (ROOT / "docs/client.md").read_text()


def blocks() -> list[str]:
    """The Python of the document, on this test's database and with this module's workflow."""
    here = address_of(settings.DATABASES["default"])
    text = TEXT.replace("postgresql://shop:secret@db.internal/shop", here).replace('"checkout", ', '"shown_checkout", ')
    return re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)


@durable.workflow(name="shown_checkout")
def shown_checkout(order: str) -> list:
    return [order, durable.recv("payment", 20)]


@durable.workflow(name="shown_failure")
def shown_failure() -> None:
    raise ValueError("shown")


def test_the_documents_examples_run_as_printed(executor, capsys):
    with pytest.raises(ValueError):
        shown_failure.using(workflow_id="broken").start().get_result(timeout=10)
    durable.register_queue("orders")
    scope: dict = {}
    for code in blocks():
        exec(compile(code, "docs/client.md", "exec"), scope)
    said = capsys.readouterr().out
    assert "['order-7', {'paid': True}]" in said and "broken shown_failure shown" in said
    assert scope["rows"] == [] and Workflow.objects.filter(forked_from="broken").exists()


def test_the_document_names_every_method_and_criterion():
    text = TEXT.replace("(s)", "")
    plurals = {"cancel_workflows", "resume_workflows", "delete_workflows"}
    assert [name for name in (*METHODS, *STREAMS) if f"`{name}`" not in text and name not in plurals] == []
    criteria = [name for name in CRITERIA if not name.startswith(("started_", "completed_"))]
    assert [name for name in criteria if f"`{name}`" not in text] == []
