"""The shop of the examples: what a customer can do, also twice, late, or with bad intent."""

from __future__ import annotations

import re
import uuid
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

import durable
from durable.errors import WorkflowWasCancelled
from examples.widget_store import catalogue, views
from examples.widget_store.models import Charge, Order, Product, Status

from .support import wait_until


@pytest.fixture(autouse=True)
def quick(settings):
    settings.WIDGET_STORE = {"STAGE_SECONDS": 0.05}


@pytest.fixture
def widget(database):
    catalogue.load_products()
    return Product.objects.get(slug="standard-widget")


@pytest.fixture
def shop(executor, widget):
    """A browser in front of the shop, and an executor behind it."""
    return Client()


def buy(shop, slug="standard-widget", token=None):
    token = token or uuid.uuid4()
    return shop.post(reverse("widget_store:buy", args=[slug]), {"token": token}), Order.objects.get(pk=token)


def pay(shop, order, answer="paid"):
    order.refresh_from_db()
    return shop.post(reverse("widget_store:webhook", args=[order.payment_token]), {"answer": answer})


def stock(slug="standard-widget"):
    return Product.objects.get(slug=slug).stock


def result(order):
    return durable.retrieve_workflow(order.workflow_id).get_result(timeout=20)


class TestCheckout:
    def test_a_paid_order_is_shipped_and_charged_once(self, shop, widget):
        answer, order = buy(shop)
        assert answer.url.startswith("/shop/pay/")
        assert stock() == widget.stock - 1
        assert pay(shop, order).url == order.get_absolute_url()
        assert result(order) == "shipped"
        charge = Charge.objects.get(order=order)
        assert charge.amount == Decimal("9.50")
        assert charge.idempotency_key.startswith(order.workflow_id)
        moves = list(order.moves.values_list("status", flat=True))
        assert moves == ["new", "reserved", "charged", "picked", "packed", "shipped"]

    def test_a_declined_payment_puts_the_widget_back(self, shop, widget):
        _, order = buy(shop)
        pay(shop, order, "declined")
        assert result(order) == "declined"
        assert stock() == widget.stock
        assert not Charge.objects.exists()

    def test_an_order_that_nobody_pays_expires(self, shop, widget, settings):
        settings.WIDGET_STORE = {"PAYMENT_SECONDS": 0.3}
        _, order = buy(shop)
        assert result(order) == "expired"
        assert stock() == widget.stock

    def test_the_last_one_is_sold_once(self, shop, monkeypatch):
        monkeypatch.setattr(views, "LINK_SECONDS", 0.5)
        _, first = buy(shop, "last-widget")
        answer, second = buy(shop, "last-widget")
        assert answer.url == second.get_absolute_url()
        with pytest.raises(Exception, match="Nothing is left"):
            result(second)
        second.refresh_from_db()
        assert second.status == Status.SOLD_OUT
        assert pay(shop, first).status_code == 302
        assert result(first) == "shipped"
        assert stock("last-widget") == 0

    def test_a_card_that_cannot_be_charged_undoes_the_reservation(self, shop, widget, monkeypatch):
        def refuse(*args, **kwargs):
            raise ConnectionError("the bank is away")

        _, order = buy(shop)
        monkeypatch.setattr(Charge.objects, "get_or_create", refuse)
        pay(shop, order)
        with pytest.raises(Exception, match="bank is away"):
            result(order)
        assert stock() == widget.stock
        order.refresh_from_db()
        assert order.status == Status.UNCHARGED


class TestTwice:
    def test_a_second_click_buys_nothing_more(self, shop, widget):
        token = uuid.uuid4()
        first, _ = buy(shop, token=token)
        second, _ = buy(shop, token=token)
        assert first.url == second.url
        assert Order.objects.count() == 1
        assert stock() == widget.stock - 1

    def test_the_first_answer_of_the_provider_counts(self, shop, widget):
        _, order = buy(shop)
        pay(shop, order, "declined")
        pay(shop, order, "paid")
        assert result(order) == "declined"
        assert not Charge.objects.exists()


class TestPages:
    def test_the_shop_remembers_the_orders_of_this_browser_only(self, shop):
        _, order = buy(shop)
        assert order.number in shop.get(reverse("widget_store:shop")).content.decode()
        assert order.number not in Client().get(reverse("widget_store:shop")).content.decode()

    def test_each_form_has_its_own_token(self, shop):
        page = shop.get(reverse("widget_store:shop")).content.decode()
        tokens = re.findall(r'name="token" value="([^"]+)"', page)
        assert len(set(tokens)) == len(catalogue.PRODUCTS)

    def test_a_live_order_asks_again_and_an_ended_one_does_not(self, shop):
        _, order = buy(shop)
        live = shop.get(order.get_absolute_url()).content.decode()
        assert 'hx-trigger="every 1s"' in live
        assert 'http-equiv="refresh"' in live
        pay(shop, order, "declined")
        result(order)
        ended = shop.get(order.get_absolute_url()).content.decode()
        assert "hx-trigger" not in ended
        assert "refresh" not in ended

    def test_htmx_gets_the_part_that_the_page_renders(self, shop):
        _, order = buy(shop)
        part = shop.get(order.get_absolute_url(), headers={"HX-Request": "true"}).content.decode()
        assert part.strip().startswith('<section id="order"')
        assert part.strip() in shop.get(order.get_absolute_url()).content.decode()

    def test_an_order_whose_checkout_was_cancelled_says_so(self, shop):
        _, order = buy(shop)
        durable.cancel_workflow(order.workflow_id)
        with pytest.raises(WorkflowWasCancelled):
            result(order)
        wait_until(lambda: "has stopped (cancelled)" in shop.get(order.get_absolute_url()).content.decode())

    def test_a_closed_payment_cannot_be_paid(self, shop):
        _, order = buy(shop)
        pay(shop, order, "declined")
        result(order)
        order.refresh_from_db()
        page = shop.get(reverse("widget_store:pay", args=[order.payment_token])).content.decode()
        assert "This payment is closed" in page
        assert "<form" not in page

    def test_no_page_allows_foreign_or_inline_code(self, shop):
        _, order = buy(shop)
        order.refresh_from_db()
        for page in ("/shop/", order.get_absolute_url(), reverse("widget_store:pay", args=[order.payment_token])):
            answer = shop.get(page)
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
            assert not re.search(rb"<script(?![^>]*\bsrc=)|\sstyle=|\son\w+=", answer.content)


class TestRefusals:
    def test_a_form_without_a_token_buys_nothing(self, shop):
        answer = shop.post(reverse("widget_store:buy", args=["standard-widget"]), {"token": "../../etc"})
        assert answer.status_code == 400
        assert not Order.objects.exists()

    def test_a_stranger_cannot_settle_a_payment(self, shop):
        buy(shop)
        assert shop.post(reverse("widget_store:webhook", args=["guessed"]), {"answer": "paid"}).status_code == 404

    def test_an_answer_that_no_provider_gives_is_refused(self, shop):
        _, order = buy(shop)
        assert pay(shop, order, "maybe").status_code == 400

    @pytest.mark.parametrize("name", ["crash", "restock"])
    def test_the_buttons_of_rundev_exist_nowhere_else(self, shop, settings, name):
        settings.DEBUG = True
        assert shop.post(reverse(f"widget_store:{name}")).status_code == 404
        assert b"Crash now" not in shop.get(reverse("widget_store:shop")).content

    def test_a_crash_needs_a_form_of_our_own(self, shop, monkeypatch):
        monkeypatch.setattr(views, "may_crash", lambda: True)
        killed = []
        monkeypatch.setattr(views.os, "kill", lambda *what: killed.append(what))
        assert Client(enforce_csrf_checks=True).post(reverse("widget_store:crash")).status_code == 403
        assert killed == []
        assert shop.post(reverse("widget_store:crash")).status_code == 302
        assert len(killed) == 1
