"""The checkout: sells one widget, and survives whatever happens to the process that runs it."""

from __future__ import annotations

import secrets

from django.conf import settings
from django.urls import reverse

import durable

from .models import Charge, Order, Status

PAYMENT_TOPIC = "payment"
PAYMENT_SECONDS = 900
STAGE_SECONDS = 3
STAGES = ("picked", "packed", "shipped")


class OutOfStock(Exception):
    """The last one was sold while the customer was deciding."""


@durable.workflow()
def checkout(order_id: str) -> str:
    """Reserve a widget, wait for the payment, charge, dispatch. What cannot be sold goes back on the shelf."""
    if not reserve(order_id):
        raise OutOfStock("Nothing is left of this product; nothing was charged.")
    durable.set_event("payment_url", create_payment_link(order_id))
    answer = durable.recv(PAYMENT_TOPIC, timeout_seconds=seconds("PAYMENT_SECONDS", PAYMENT_SECONDS))
    if answer != "paid":
        return undo_reservation(order_id, "declined" if answer else "expired")
    try:
        charge(order_id)
    except Exception:
        undo_reservation(order_id, "uncharged")
        raise
    mark_paid(order_id)
    return durable.start_workflow(dispatch, order_id).get_result()


@durable.workflow()
def dispatch(order_id: str) -> str:
    """Pick, pack and ship; between two stages nothing runs, however long it takes."""
    for stage in STAGES:
        durable.sleep(seconds("STAGE_SECONDS", STAGE_SECONDS))
        advance(order_id, stage)
    return STAGES[-1]


@durable.transaction()
def reserve(order_id: str) -> bool:
    """Take one from stock. The stock, the order and the checkpoint commit together: exactly once."""
    order = Order.objects.select_related("product").get(pk=order_id)
    taken = order.product.take()
    order.move(Status.RESERVED if taken else Status.SOLD_OUT)
    return taken


@durable.step()
def create_payment_link(order_id: str) -> str:
    """The page where the customer pays; the same one when the step runs again after a crash."""
    order = Order.objects.get(pk=order_id)
    if not order.payment_token:
        order.payment_token = secrets.token_urlsafe(16)
        order.save(update_fields=["payment_token"])
    return reverse("widget_store:pay", args=[order.payment_token])


@durable.step(retries_allowed=True, interval_seconds=0.5, max_attempts=4)
def charge(order_id: str) -> str:
    """Take the money. A step may run twice when the process dies in it; the idempotency key makes it one charge."""
    order = Order.objects.get(pk=order_id)
    key = durable.idempotency_key()
    Charge.objects.get_or_create(idempotency_key=key, defaults={"order": order, "amount": order.price})
    return key


@durable.transaction()
def mark_paid(order_id: str) -> None:
    Order.objects.get(pk=order_id).move(Status.CHARGED)


@durable.transaction()
def advance(order_id: str, stage: str) -> None:
    Order.objects.get(pk=order_id).move(Status(stage))


@durable.transaction()
def undo_reservation(order_id: str, status: str) -> str:
    """Put the widget back, and say why."""
    order = Order.objects.select_related("product").get(pk=order_id)
    order.product.put_back()
    order.move(Status(status))
    return status


def seconds(name: str, default: float) -> float:
    """How long to wait, from `settings.WIDGET_STORE`; a real shop would give a stage a day."""
    return getattr(settings, "WIDGET_STORE", {}).get(name, default)
