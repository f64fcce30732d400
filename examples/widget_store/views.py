"""The shop: pages are GETs that work without JavaScript, actions are POSTs."""

from __future__ import annotations

import os
import signal
import uuid

from django.conf import settings
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render, resolve_url
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

import durable
from durable.contrib.dev import is_supervised

from . import catalogue, workflows
from .models import Order, Product, Status
from .progress import Track

LINK_SECONDS = 3


@never_cache
@require_GET
def shop(request: HttpRequest) -> HttpResponse:
    mine = Order.objects.filter(pk__in=request.session.get("orders", [])).select_related("product")
    newest = sorted(mine, key=lambda order: request.session["orders"].index(str(order.pk)))
    offers = [(product, uuid.uuid4()) for product in Product.objects.all()]
    context = {"offers": offers, "orders": newest, "may_crash": may_crash()}
    return render(request, "widget_store/shop.html", context)


@require_POST
def buy(request: HttpRequest, slug: str) -> HttpResponse:
    """Place the order, then send the customer to the page where it is paid.

    The order and its checkout commit together. The token of the form is the order's id: a second click finds the
    order of the first.
    """
    product = get_object_or_404(Product, slug=slug)
    try:
        token = uuid.UUID(request.POST.get("token", ""))
    except ValueError:
        return HttpResponseBadRequest("The form carries no valid token; load the shop again.")
    with transaction.atomic():
        order, is_new = Order.objects.get_or_create(pk=token, defaults={"product": product, "price": product.price})
        if is_new:
            order.moves.create(status=Status.NEW)
            workflows.checkout.using(workflow_id=order.workflow_id).start(str(order.pk))
    remember(request, order)
    url = durable.get_event(order.workflow_id, "payment_url", timeout_seconds=LINK_SECONDS)
    return redirect(url or order)


def remember(request: HttpRequest, order: Order) -> None:
    """Keep the newest orders of this browser."""
    others = [pk for pk in request.session.get("orders", []) if pk != str(order.pk)]
    request.session["orders"] = [str(order.pk), *others][:8]


@require_GET
def order(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Where the order is; htmx asks for the part that changes, once a second, until the order has ended."""
    found = get_object_or_404(Order.objects.select_related("product"), pk=pk)
    part = "widget_store/_order.html" if "HX-Request" in request.headers else "widget_store/order.html"
    return render(request, part, {"order": found, "track": Track(found), "may_crash": may_crash()})


@require_GET
def pay(request: HttpRequest, token: str) -> HttpResponse:
    """The payment provider's page, which belongs to the example so that it needs no account anywhere."""
    found = get_object_or_404(Order.objects.select_related("product"), payment_token=token)
    return render(request, "widget_store/pay.html", {"order": found, "is_open": found.status == Status.RESERVED})


@csrf_exempt
@require_POST
def webhook(request: HttpRequest, token: str) -> HttpResponse:
    """What a payment provider calls. The token is the secret that it knows; asked twice, the first answer counts."""
    found = get_object_or_404(Order, payment_token=token)
    answer = request.POST.get("answer")
    if answer not in {"paid", "declined"}:
        return HttpResponseBadRequest('Give answer "paid" or "declined".')
    durable.send(found.workflow_id, answer, workflows.PAYMENT_TOPIC, idempotency_key=f"payment-{token}")
    return redirect(found)


@require_POST
def restock(request: HttpRequest) -> HttpResponse:
    if not may_crash():
        raise Http404
    catalogue.restock()
    return redirect("widget_store:shop")


@require_POST
def crash(request: HttpRequest) -> HttpResponse:
    """Kill this process as a power cut would: nothing is saved, nothing is closed. rundev starts it again."""
    if not may_crash():
        raise Http404
    pk = request.POST.get("order")
    return LastResponse(resolve_url(get_object_or_404(Order, pk=pk)) if pk else resolve_url("widget_store:shop"))


class LastResponse(HttpResponseRedirect):
    """A redirect after which the process dies, so that the browser knows where to go on."""

    def close(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def may_crash() -> bool:
    """Only on a developer's own machine, and only where something starts the process again."""
    return settings.DEBUG and is_supervised()
