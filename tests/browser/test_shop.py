"""A customer in a real browser, a process that is killed, and an order that is charged once."""

from __future__ import annotations

import os
import re
import signal

import pytest

STOCK = "select stock from widget_store_product where slug = 'standard-widget'"
CHARGES = "select count(*) from widget_store_charge where order_id = ?"
STEPS = "select count(*) from durable_step where workflow_id = ? and name like '%charge'"
STATUS = "select status from durable_workflow where id = ?"


@pytest.fixture
def customer(new_page, site, script):
    return new_page(java_script_enabled=script, base_url=site.url)


def buy(page, product="Standard widget"):
    """Order one and stop at the payment page. Returns the address of the order's page."""
    page.goto("/shop/")
    page.get_by_role("button", name=f"Buy {product}").click()
    page.wait_for_url(re.compile("/shop/pay/"))


def answer(page, word):
    """Press a button of the payment page. Returns the order's id."""
    page.get_by_role("button", name=word).click()
    page.wait_for_url(re.compile("/shop/orders/"))
    return page.url.rstrip("/").rpartition("/")[2]


def wait_for(page, *statuses):
    """Wait until the page shows one of them; a page that asks once a second may miss one that passes quickly."""
    page.locator(", ".join(f"[data-status={status}]" for status in statuses)).wait_for(timeout=60_000)


def crash(page, site):
    """Press the button and see that the process is another one, while the page goes on."""
    child, said = site.child, len(site.lines)
    page.get_by_role("button", name="Crash now").click()
    site.wait_for("was killed by SIGKILL", since=said)
    site.wait_for("Up again", since=said)
    assert site.child != child


def assert_charged_once(page, rows, order):
    assert "charged once" in page.locator("#order").inner_text()
    assert rows(CHARGES, order.replace("-", "")) == [(1,)]
    assert rows(STEPS, f"order-{order}") == [(1,)]
    assert rows(STATUS, f"order-{order}") == [("SUCCESS",)]


def test_an_order_is_paid_and_shipped(customer, rows):
    before = rows(STOCK)[0][0]
    buy(customer)
    order = answer(customer, "Pay")
    wait_for(customer, "shipped")
    assert_charged_once(customer, rows, order)
    assert rows(STOCK) == [(before - 1,)]


def test_an_order_survives_kill_9_in_the_middle(customer, site, rows):
    before = rows(STOCK)[0][0]
    buy(customer)
    order = answer(customer, "Pay")
    crash(customer, site)
    wait_for(customer, "picked", "packed")
    crash(customer, site)
    wait_for(customer, "shipped")
    assert_charged_once(customer, rows, order)
    assert rows(STOCK) == [(before - 1,)]


def test_a_payment_arrives_after_a_crash(new_page, site, rows):
    customer = new_page(base_url=site.url)
    before = rows(STOCK)[0][0]
    buy(customer)
    child, said = site.child, len(site.lines)
    os.kill(child, signal.SIGKILL)
    order = answer(customer, "Pay")
    site.wait_for("Up again", since=said)
    wait_for(customer, "shipped")
    assert site.child != child, "the process that asked for the payment is not the one that got it"
    assert_charged_once(customer, rows, order)
    assert rows(STOCK) == [(before - 1,)]


def test_a_declined_payment_puts_the_widget_back(new_page, site, rows):
    page = new_page(base_url=site.url)
    before = rows(STOCK)
    buy(page)
    assert rows(STOCK) == [(before[0][0] - 1,)]
    order = answer(page, "Decline")
    wait_for(page, "declined")
    assert "not charged" in page.locator("#order").inner_text()
    assert rows(STOCK) == before
    assert rows(CHARGES, order.replace("-", "")) == [(0,)]


def test_the_last_one_is_sold_once(new_page, site, rows):
    first, second = new_page(base_url=site.url), new_page(base_url=site.url)
    second.goto("/shop/")
    buy(first, "The last widget")
    second.get_by_role("button", name="Buy The last widget").click()
    second.wait_for_url(re.compile("/shop/orders/"))
    wait_for(second, "sold_out")
    assert "not charged" in second.locator("#order").inner_text()


def test_the_console_shows_the_order(new_page, site):
    page = new_page(base_url=site.url)
    buy(page)
    answer(page, "Pay")
    wait_for(page, "shipped")
    page.get_by_role("link", name="in the console").click()
    page.get_by_label("Name").fill("demo")
    page.get_by_label("Password").fill(site.password)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("Succeeded").first.wait_for()
    for step in ("reserve", "create_payment_link", "charge", "mark_paid", "dispatch"):
        assert page.get_by_text(step).count(), f"The page does not show {step}"
