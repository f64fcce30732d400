"""Workflows with a history, for the page of one workflow."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from durable.models import Attempt, Event, Message, Step, StepAttempt, Workflow

from .crowd import make_executor, make_workflow

TRACE = (
    'Traceback (most recent call last):\n  File "/app/shop/mail.py", line 9, in send_receipt\n    server.send(mail)\n'
)
CHARGED = json.dumps({"charge": "ch_1", "balance": 9007199254740993, "price": {"$": "decimal", "v": "249.90"}})


def error_of(kind: str, message: str, **more: Any) -> str:
    told = {
        "type": kind,
        "module": "shop",
        "message": message,
        "args": [message],
        "traceback": f"{TRACE}shop.{kind}: {message}\n",
    }
    return json.dumps({**told, **more})


class Journal:
    """Writes the rows of one workflow; times are seconds after it was accepted, a day ago."""

    def __init__(self, pk: str, base: datetime | None = None, **columns: Any):
        self.base = base or timezone.now() - timedelta(days=1)
        times = {"created_at": self.base, "started_at": self.at(2), "run_after": None}
        self.workflow = make_workflow(pk, **{**times, **columns})

    def at(self, seconds: float) -> datetime:
        return self.base + timedelta(seconds=seconds)

    def step(self, seq: int, name: str, start: float, end: float, kind: str = "step", **columns: Any) -> Step:
        columns = {"epoch": 1, "kind": kind, **columns}
        times = {"started_at": self.at(start), "completed_at": self.at(end)}
        return Step.objects.create(workflow=self.workflow, seq=seq, name=name, **times, **columns)

    def failure(self, seq: int, n: int, name: str, start: float, end: float, error: str) -> StepAttempt:
        times = {"started_at": self.at(start), "ended_at": self.at(end)}
        return StepAttempt.objects.create(workflow=self.workflow, seq=seq, n=n, name=name, error=error, **times)

    def sleep(self, seq: int, start: float, wake: float, recorded: float | None = None) -> Step:
        output = json.dumps(self.at(wake).timestamp())
        return self.step(seq, "sleep", start, wake if recorded is None else recorded, "sleep", output=output)


def failed_checkout() -> Workflow:
    """Retries, a child with steps of its own, a message after 41 minutes, a lost executor, a sleep, a failure."""
    make_executor(
        "fra-1", lease_until=timezone.now() - timedelta(hours=20), heartbeat_at=timezone.now() - timedelta(hours=23)
    )
    make_executor("ams-1")
    smtp = error_of("SMTPServerDisconnected", "Connection unexpectedly closed")
    final = error_of("MaxStepRetriesExceeded", "Step failed", errors=[json.loads(smtp)] * 3)
    journal = Journal(
        "checkout-1", timezone.now() - timedelta(hours=23, minutes=42), status="ERROR", failure="ERROR", epoch=5,
        executor="id-ams-1", error=final, error_type="MaxStepRetriesExceeded", recovery_attempts=1,
        input='{"args": ["FJ-88213"], "kwargs": {}}',
    )  # fmt: skip
    own, gone = journal.workflow, 2470
    journal.step(1, "reserve_stock", 2, 2.04, "transaction")
    journal.step(2, "set_event", 2.1, 2.103, "set_event")
    Event.objects.create(workflow=own, key="payment_url", seq=2, value='"https://pay.example"')
    journal.step(3, "recv", gone - 2, gone - 1.9, "recv", epoch=2, output='{"paid": true}')
    journal.sleep(4, 2.2, 3602, recorded=2.202)
    Message.objects.create(workflow=own, topic="payment", key="1", body='{"paid": true}', consumed_seq=3)
    journal.failure(5, 1, "charge", gone + 16, gone + 18, error_of("APIError", "503 upstream"))
    journal.step(5, "charge", gone + 19, gone + 20, attempts=2, epoch=3, output=CHARGED)
    Attempt.objects.create(workflow=own, epoch=2, executor="id-fra-1", ended_at=journal.at(gone + 15), outcome="lost")
    child = Journal("ship-1", journal.at(gone + 20), name="shop.ship", parent=own.pk, status="SUCCESS", epoch=1)
    child.step(1, "book_courier", 3, 6, output='"DHL"')
    Workflow.objects.filter(pk="ship-1").update(completed_at=child.at(7))
    journal.step(6, "shop.ship", gone + 20, gone + 20.01, "child", epoch=3, child="ship-1")
    journal.step(7, "get_result", gone + 20.1, gone + 27, "result", epoch=3, child="ship-1")
    journal.sleep(8, gone + 28, 82000)
    for n in (1, 2, 3):
        journal.failure(9, n, "send_receipt", 82000 + 3 * n, 82001 + 3 * n, smtp)
    journal.step(9, "send_receipt", 82009, 82010, epoch=5, attempts=3, error=final)
    Workflow.objects.filter(pk=own.pk).update(completed_at=journal.at(82010.1))
    return Workflow.objects.get(pk=own.pk)
