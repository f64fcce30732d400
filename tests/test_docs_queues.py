"""What docs/queues.md and docs/communication.md show works as it is written there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import durable
from durable.executor import Executor
from durable.models import Queue, Workflow
from durable.registry import registry
from tests.support import run_async, wait_until

DOCS = Path(__file__).parents[1] / "docs"


class Page:
    """A document and the names that its code has defined so far."""

    def __init__(self, place: str):
        self.place = place
        self.blocks = re.findall(r"^```python\n(.*?)^```", (DOCS / place).read_text(), re.M | re.S)
        self.scope: dict[str, Any] = {"__name__": place, "durable": durable}
        self.shown: set[str] = set()

    def run(self, start: str) -> dict[str, Any]:
        code = next(block for block in self.blocks if block.startswith(start) and block not in self.shown)
        self.shown.add(code)
        exec(compile(code, self.place, "exec"), self.scope)
        return self.scope

    def __getitem__(self, name: str) -> Any:
        return self.scope[name]

    @property
    def left(self) -> list[str]:
        return [block for block in self.blocks if block not in self.shown]


@pytest.fixture
def page(monkeypatch):
    for names in ("_definitions", "_queues", "_schedules"):
        monkeypatch.setattr(registry, names, {})
    return Page


@pytest.fixture
def start(database):
    started: list[Executor] = []

    def begin() -> None:
        started.append(Executor(concurrency=4).start())

    yield begin
    for executor in started:
        executor.drain(1)


def test_the_page_about_queues(database, page, start):
    queues = page("queues.md")
    queues.run("# workflows.py")
    start()
    addresses = ["a@example.com", "b@example.com"]
    assert queues["newsletter"].start(addresses).get_result(timeout=10) == [f"delivered to {a}" for a in addresses]
    row = Queue.objects.get(name="mail")
    assert (row.concurrency, row.worker_concurrency, row.rate_limit, row.rate_period) == (10, 5, 50, 30.0)

    queues.run("mail.enqueue(deliver.using(priority=1)")
    delayed = queues["handle"].get_status()
    assert (delayed.status, delayed.priority, delayed.dedup_id) == ("DELAYED", 9, "user-7")
    queues.run("durable.set_workflow_delay")
    assert queues["handle"].get_status().wake_at < delayed.wake_at
    durable.cancel_workflow(queues["handle"].workflow_id)
    durable.pause_queue("mail")
    handles = queues.run("handles = mail.enqueue_many")["handles"]
    ids = [handle.workflow_id for handle in handles]
    assert Workflow.objects.filter(pk__in=ids, status="ENQUEUED").count() == len(set(ids)) == 1000
    durable.cancel_workflows(ids)
    assert durable.enqueue_by_name("mail", "newsletter", ["a@example.com"]).get_status().queue == "mail"

    queues.run("customers = durable.Queue")
    queues.run("imports = durable.Queue")
    assert queues["on_change"]("acme").get_result(timeout=10) == "synced acme"
    wait_until(lambda: Queue.objects.filter(name="imports").exists(), 10)
    row = Queue.objects.get(name="imports")
    assert (row.concurrency, row.partition_concurrency, row.partition_rate_limit) == (20, 2, 100)

    queues.run('durable.register_queue("reports"')
    row = durable.retrieve_queue("reports")
    assert (row.concurrency, row.rate_limit, row.rate_period, row.paused) == (2, 100, 60.0, False)

    queues.run("@durable.workflow()\ndef save")
    series = [queues["on_keystroke"]("notes", text) for text in ("H", "He", "Hello")]
    assert len({handle.workflow_id for handle in series}) == 1
    assert durable.resume_workflow(series[0].workflow_id).get_result(timeout=10) == "notes: Hello"
    assert queues.left == []


def test_the_page_about_communication(database, page, start, capsys):
    talk = page("communication.md")
    talk.run("# workflows.py")
    talk.run("# a view that the payment provider calls")
    talk.run("def announce")
    talk.run("# a view that shows the customer")
    start()
    handle = talk["checkout"].using(workflow_id="order-1").start("order-1")
    assert talk["payment_url"]("order-1") == "https://pay.example.com/order-1"
    talk["announce"]("we are late", ["order-1"])
    for _ in range(2):
        talk["payment_arrived"]("order-1", 40, "payment-7")
    assert handle.get_result(timeout=10) == "paid 40"

    talk.run("# workflows.py")
    talk.run("# anywhere, also in another workflow")
    talk.run("# an asynchronous view")
    handle = talk["summary"].start(["the first page", "the second"])
    capsys.readouterr()
    talk["follow"](handle.workflow_id)
    words = ["the", "first", "page", "the", "second"]
    assert capsys.readouterr().out.split() == words
    assert run_async(talk["words"](handle.workflow_id)) == words
    assert list(durable.read_stream(handle.workflow_id, "progress")) == [0, 1]
    assert handle.get_result(timeout=10) == "done"
    assert talk.left == []
