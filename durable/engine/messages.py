"""Messages: sent once, received once, in order."""

from __future__ import annotations

from typing import Any

from ..errors import WorkflowNotFound
from .commands import Ask, Condition, Consume, Deliver, Known, NextMessage, Park, Record, Row
from .drive import Operation


def send(scope: Any, destination: str, message: Any, topic: str | None, key: str | None) -> Operation:
    """Put a message in a workflow's mailbox; exactly once from a workflow, or with a key from anywhere."""
    yield from send_all(scope, "send", [(destination, message, topic, key)])


def send_all(scope: Any, name: str, messages: list[tuple[str, Any, str | None, str | None]]) -> Operation:
    """Deliver several messages together, or none. Raises `WorkflowNotFound` for an unknown destination."""
    slot = scope.open(name, "send")
    if slot.recorded:
        return slot.replay()
    deliveries = tuple(
        Deliver(
            to, topic or "", key or scope.message_key(slot.seq, n), scope.journal.encode(message), scope.workflow_id
        )
        for n, (to, message, topic, key) in enumerate(messages)
    )
    wanted = tuple({delivery.destination: None for delivery in deliveries})
    known = yield Ask(Known(wanted))
    if missing := [each for each in wanted if each not in known]:
        error = WorkflowNotFound(workflow_id=missing[0])
        yield slot.failure(error)
        raise error
    yield slot.success(None, *deliveries)
    return None


def receive(scope: Any, topic: str | None, timeout: float) -> Operation:
    """The next message of a topic, or None after `timeout` seconds; the timeout counts from the first call."""
    slot, timer = scope.open("recv", "recv"), scope.open("sleep", "sleep")
    if slot.recorded:
        return slot.replay()
    journal, mailbox, topic = scope.journal, scope.workflow_id, topic or ""
    deadline = None
    if timer.recorded:  # it waited before, perhaps parked: it has waited since then
        deadline = timer.replay()
        slot.started_at = min(slot.started_at, deadline - timeout)
    while True:
        since = scope.mark()
        message = yield Ask(NextMessage(mailbox, topic, frozenset(journal.taken)))
        if deadline is None:
            deadline = scope.now() + max(0.0, timeout)
            timed: tuple[Row, ...] = (timer.decided(journal.encode(deadline)),)
        else:
            timed = ()
        if message:
            number, body = message
            journal.taken.add(number)
            yield Record((slot.decided(body), *timed), (Consume(number, slot.seq),))
            return journal.serializer.deserialize(body)
        if scope.now() >= deadline:
            yield slot.success(None, also=timed)
            return None
        if timed:
            yield Record(timed)
        yield Park(f"message:{topic}", (Condition("message", mailbox, topic),), deadline, since)
