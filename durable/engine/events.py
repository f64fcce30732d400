"""Events: values that a workflow publishes under a key, and their history."""

from __future__ import annotations

from typing import Any

from ..states import FINAL
from .commands import AllEvents, Ask, Condition, EventValue, Outcome, Park, Publish, Record, Row
from .drive import Operation


def set_event(scope: Any, key: str, value: Any) -> Operation:
    """Publish a value under a key, or replace it; exactly once from a workflow, at least once from a step."""
    slot = scope.open("set_event", "set_event")
    if slot.recorded:
        return slot.replay()
    yield slot.success(None, Publish(scope.workflow_id, key, slot.seq, scope.journal.encode(value)))
    return None


def get_event(scope: Any, workflow: str, key: str, timeout: float) -> Operation:
    """The value of another workflow's event; None when it is not set within `timeout` seconds, or that workflow has
    ended without it."""
    slot, timer = scope.open("get_event", "get_event"), scope.open("sleep", "sleep")
    if slot.recorded:
        return slot.replay()
    journal = scope.journal
    deadline = None
    if timer.recorded:  # it waited before, perhaps parked: it has waited since then
        deadline = timer.replay()
        slot.started_at = min(slot.started_at, deadline - timeout)
    while True:
        since = scope.mark()
        text = yield Ask(EventValue(workflow, key))
        if deadline is None:
            deadline = scope.now() + max(0.0, timeout)
            timed: tuple[Row, ...] = (timer.decided(journal.encode(deadline)),)
        else:
            timed = ()
        conditions: tuple[Condition, ...] = ()
        if text is None and scope.now() < deadline:
            text, conditions = yield from _last_word(workflow, key)
        if text is not None or not conditions:
            yield Record((slot.decided(text, child=workflow), *timed))
            return None if text is None else journal.serializer.deserialize(text)
        if timed:
            yield Record(timed)
        yield Park(f"event:{workflow}/{key}", conditions, deadline, since)


def _last_word(workflow: str, key: str) -> Operation:
    """The value, if it came just now, and what to wait for: nothing when the workflow has ended and sets no more.

    One that does not exist yet may come and set it.
    """
    event = Condition("event", workflow, key)
    standing = (yield Ask(Outcome((workflow,)))).get(workflow)
    if standing is None:
        return None, (event,)
    if standing.status not in FINAL:
        return None, (event, Condition("child", workflow))
    return (yield Ask(EventValue(workflow, key))), ()


def get_all_events(scope: Any, workflow: str) -> Operation:
    """The newest value of every event of a workflow, as a dict."""
    slot = scope.open("get_all_events", "get_event")
    if slot.recorded:
        return slot.replay()
    values = yield Ask(AllEvents(workflow))
    events = {key: scope.journal.serializer.deserialize(text) for key, text in values}
    yield slot.success(events, child=workflow)
    return events
