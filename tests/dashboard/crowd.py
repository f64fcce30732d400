"""Rows for the pages to show: every phase, every kind of executor, every state of a queue."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import Any

from django.utils import timezone

from durable.conf import conf
from durable.models import AuditEntry, Executor, Queue, Schedule, StreamEntry, Version, Workflow

HOSTILE = """<script>alert(1)</script><img src=x onerror="y">'"`{{ 7|add:7 }}&amp;%00/../?#~"""
WAITS = ("sleep", "message:payment", "message:", "event:ledger/closed", "child:invoice-1", "retry:push", None, "odd")
PAGES = ("", "workflows/", "queues/", "executors/", "schedules/", "versions/")


def make_executor(label: str, **columns: Any) -> Executor:
    """One that is alive and takes everything, unless `columns` say otherwise."""
    now = timezone.now()
    alive = {
        "id": f"id-{label}", "label": label, "host": "boot/1", "hostname": f"{label}.internal", "pid": 7,
        "version": "b20c44e", "concurrency": 50, "running": 3, "definitions": {"shop.checkout": "b20c44e"},
        "lease_until": now + timedelta(minutes=5), "heartbeat_at": now, "started_at": now,
    }  # fmt: skip
    return Executor.objects.create(**{**alive, **columns})


def make_workflow(pk: str | None = None, **columns: Any) -> Workflow:
    """One that waits in the queue orders, unless `columns` say otherwise."""
    now = timezone.now()
    waiting = {"name": "shop.checkout", "queue": "orders", "run_after": now, "created_at": now}
    if pk is not None:
        waiting["id"] = pk
    return Workflow.objects.create(**{**waiting, **columns})


def ended(status: str, **columns: Any) -> dict[str, Any]:
    """The columns of a workflow that ended a moment ago."""
    now = timezone.now()
    failure = None if status == "SUCCESS" else status
    return {"status": status, "failure": failure, "run_after": None, "started_at": now, "completed_at": now, **columns}


def failed(kind: str, message: str, **columns: Any) -> dict[str, Any]:
    error = json.dumps({"type": kind, "module": "shop", "message": message, "args": [message], "traceback": "…"})
    return ended("ERROR", error_type=kind, error=error, **columns)


def parked(waiting_for: str | None, **columns: Any) -> dict[str, Any]:
    now = timezone.now()
    wake = {"run_after": None, "wake_at": now + timedelta(hours=1), "started_at": now, "status": "PENDING"}
    return {**wake, "waiting_for": waiting_for, **columns}


def make_crowd() -> None:
    """Something of everything."""
    now = timezone.now()
    make_executor("worker-1", activity=[{"workflow": "running-1", "seq": 2, "step": "charge", "attempt": 3,
                                         "since": time.time() - 5}])  # fmt: skip
    make_executor("worker-2", queues=["orders"])
    make_executor("draining", draining=True)
    make_executor("web", claims=False, concurrency=0, queues=[])
    make_executor("lost", lease_until=now - timedelta(minutes=5))
    make_executor("stopped", lease_until=now - timedelta(minutes=9), stopped_at=now - timedelta(minutes=9))
    limits = {"concurrency": 1, "worker_concurrency": 1, "rate_limit": 2, "rate_period": 30.0}
    Queue.objects.create(name="orders", declared={**limits, "concurrency": 8}, override={"concurrency": 1},
                         starts=[time.time()], **limits)  # fmt: skip
    Queue.objects.create(name="imports", paused=True, declared={}, partitioned=True, priority_enabled=False)
    make_workflow("queued-1", priority=5)
    make_workflow("queued-2", queue="imports", run_after=now - timedelta(hours=3))
    make_workflow("queued-3", queue="nobody", name="video.transcode")
    make_workflow("queued-4", queue="_durable")
    make_workflow("unserved-1", waiting_for="executor:old.thing", name="old.thing")
    make_workflow("delayed-1", status="DELAYED", run_after=None, wake_at=now + timedelta(days=3))
    make_workflow("running-1", status="PENDING", executor="id-worker-1", admitted="orders", started_at=now)
    make_workflow("running-2", status="PENDING", executor="id-lost", started_at=now)
    for n, wait in enumerate(WAITS):
        make_workflow(f"parked-{n}", **parked(wait, admitted="orders" if n == 0 else None))
    make_workflow("success-1", **ended("SUCCESS", attributes={"region": "eu", "vip": True}))
    make_workflow("failed-1", **failed("CardDeclined", "The card was declined\nin line two"))
    make_workflow("cancelled-1", **ended("CANCELLED"))
    make_workflow("cancelled-2", **ended("CANCELLED", timeout=60.0, deadline=now - timedelta(seconds=1)))
    make_workflow("dead-1", **ended("MAX_RECOVERY_ATTEMPTS_EXCEEDED", recovery_attempts=100))
    AuditEntry.objects.create(actor="jonas", action="cancel", target="cancelled-1")
    make_schedule("nightly", override={"cron": "0 4 * * *"}, cron="0 4 * * *", paused=True)
    make_schedule("often", cron="*/15 * * * *", declared={})
    make_workflow("sched-nightly-1", name="shop.tidy", **ended("SUCCESS", schedule="nightly", forked_from="success-1"))
    make_stream("running-1", "words", 3)
    make_version("b20c44e")
    Queue.objects.create(
        name="tenants", declared={"partition_concurrency": 1}, partition_concurrency=1, partitioned=True
    )


def make_schedule(name: str, **columns: Any) -> Schedule:
    """One that code declares, unless `columns` say otherwise."""
    declared = {"workflow": "shop.checkout", "cron": "0 2 * * *", "timezone": "Europe/Berlin", "catch_up": "newest",
                "queue": None}  # fmt: skip
    return Schedule.objects.create(**{"name": name, **declared, "declared": {**declared, "code": True}, **columns})


def make_stream(workflow: str, key: str, count: int, closed: bool = False) -> None:
    """A stream of the numbers from 0, each written by the slot after its number."""
    values = [str(number) for number in range(count)] + ([None] if closed else [])
    StreamEntry.objects.bulk_create(
        StreamEntry(workflow_id=workflow, key=key, offset=offset, seq=offset + 1, value=value)
        for offset, value in enumerate(values)
    )


def make_version(name: str, **columns: Any) -> Version:
    return Version.objects.create(application=conf().APPLICATION_NAME, name=name, **columns)


def make_hostile_crowd() -> None:
    """The same hostile text in every column that a page may show."""
    text = HOSTILE
    activity = [{"workflow": text, "seq": text, "step": text, "attempt": text, "since": text}, text, {}]
    make_executor(text, hostname=text, version=text, queues=[text], definitions={text: text}, activity=activity)
    make_executor(f"{text} lost", lease_until=timezone.now() - timedelta(minutes=1))
    Queue.objects.create(name=text, declared={"concurrency": 1}, concurrency=1)
    who = {"name": text, "queue": text, "version": text}
    make_workflow(text, **who, attributes={text: text})
    make_workflow("running", **who, status="PENDING", executor=f"id-{text}")
    for n, kind in enumerate(("message", "event", "child", "retry", "executor")):
        make_workflow(f"parked-{n}", **who, **parked(f"{kind}:{text}"))
    make_workflow("failed", **who, **failed(text, text))
    make_workflow("cancelled", **who, **ended("CANCELLED"))
    make_workflow(f"dead {text}", **who, **ended("MAX_RECOVERY_ATTEMPTS_EXCEEDED", recovery_attempts=3))
    AuditEntry.objects.create(actor=text, action="cancel", target="cancelled")
    AuditEntry.objects.create(actor=text, action=text, kind="schedule", target=text, detail={"reason": text})
    make_schedule(text, workflow=text, queue=text, context=json.dumps({text: text}), override={"queue": text})
    make_schedule(f"{text} broken", cron=text, timezone=text, catch_up=text)
    make_workflow("scheduled", **who, schedule=text, partition_key=text)
    StreamEntry.objects.create(workflow_id=text, key=text, offset=0, seq=1, value=json.dumps({text: text}))
    StreamEntry.objects.create(workflow_id=text, key=text, offset=1, seq=1, value=text)
    make_version(text)
    Queue.objects.create(name=f"{text} parted", partitioned=True, partition_rate_limit=1, partition_rate_period=9.0,
                         partition_starts={text: [text, time.time()]}, override={text: text})  # fmt: skip
