"""How the page of an order words where it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import durable
from durable.errors import WorkflowNotFound

from .models import FAILED, WAY, Order, Status

HEADLINES = {
    Status.NEW: "We have your order.",
    Status.RESERVED: "Yours is set aside. It waits for your payment.",
    Status.CHARGED: "Paid. We are getting it from the shelf.",
    Status.PICKED: "Picked. It is being packed.",
    Status.PACKED: "Packed. The van is on its way.",
    Status.SHIPPED: "Shipped. Thank you.",
    Status.SOLD_OUT: "Somebody was faster: it is sold out. You pay nothing.",
    Status.DECLINED: "The payment was declined. The widget is back on the shelf, you pay nothing.",
    Status.EXPIRED: "It was not paid in time. The widget is back on the shelf.",
    Status.UNCHARGED: "The payment could not be taken. The widget is back on the shelf.",
}
HUES = {Status.RESERVED: "parked", Status.SHIPPED: "success"} | dict.fromkeys(FAILED, "failed")
ICONS = {Status.RESERVED: "message", Status.SHIPPED: "success"} | dict.fromkeys(FAILED, "failed")


@dataclass(frozen=True)
class Milestone:
    word: str
    at: datetime | None
    is_failure: bool = False


class Track:
    """The way of one order: what is behind it, with times, and what lies ahead."""

    def __init__(self, order: Order):
        self.order = order
        self.times = {move.status: move.at for move in order.moves.all()}
        self.charges = order.charges.all()

    def __iter__(self) -> Iterator[Milestone]:
        for status in WAY:
            if status in self.times or not self.order.is_failed:
                yield Milestone(status.label, self.times.get(status))
        if self.order.is_failed:
            yield Milestone(self.status.label, self.times.get(self.status), is_failure=True)

    @property
    def status(self) -> Status:
        return Status(self.order.status)

    @cached_property
    def stopped(self) -> str:
        """How the checkout ended before the order did, such as "Cancelled"; "" when all is well."""
        if self.order.is_ended:
            return ""
        try:
            workflow = durable.retrieve_workflow(self.order.workflow_id).get_status()
        except WorkflowNotFound:
            return "Deleted"
        return workflow.phase.word if workflow.is_finished else ""

    @property
    def headline(self) -> str:
        if self.stopped:
            return (
                f"The checkout of this order has stopped ({self.stopped.lower()}). An operator sees why in the console."
            )
        return HEADLINES[self.status]

    @property
    def hue(self) -> str:
        return "failed" if self.stopped else HUES.get(self.status, "running")

    @property
    def icon(self) -> str:
        return "failed" if self.stopped else ICONS.get(self.status, "running")

    @property
    def charged(self) -> str:
        """The proof that people look for after a crash."""
        count = len(self.charges)
        return {0: "not charged", 1: "charged once"}.get(count, f"charged {count} times")

    @property
    def last_charge(self) -> Any:
        return self.charges[0] if self.charges else None
