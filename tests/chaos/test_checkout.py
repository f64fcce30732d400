"""The widget store's checkout, whose executor is killed at each of its checkpoints."""

from __future__ import annotations

import signal
from decimal import Decimal

import pytest

import durable
from durable.models import Attempt, Executor, Step, Workflow
from examples.widget_store.models import Charge, Move, Order, Product
from examples.widget_store.workflows import STAGES, OutOfStock, checkout
from tests.support import wait_until

SHOP = {"PAYMENT_SECONDS": 60, "STAGE_SECONDS": 0.02}
TIMES = {"LEASE_SECONDS": 60, "POLL_SECONDS": 0.05, "PARK_AFTER_SECONDS": 0}
"""A lease that no test waits for: recovery on this machine does not need it to end. Every wait parks."""

STOCK = 5
SOLD_WAY = ["reserved", "charged", *STAGES]

POINTS = {
    "paid": (
        "checkout 1 reserve",
        "checkout 2 create_payment_link",
        "checkout 3 set_event",
        "checkout 4 recv",
        "checkout 6 charge",
        "checkout 7 mark_paid",
        "checkout 8 dispatch",
        "checkout parks on child 1",
        "dispatch 1 sleep",
        "dispatch parks on sleep 1",
        "dispatch 2 advance",
        "dispatch 3 sleep",
        "dispatch parks on sleep 2",
        "dispatch 4 advance",
        "dispatch 5 sleep",
        "dispatch parks on sleep 3",
        "dispatch 6 advance",
        "dispatch ends",
        "checkout 9 get_result",
        "checkout ends",
    ),
    "declined": ("checkout 6 undo_reservation", "checkout ends"),
    "sold out": ("checkout 1 reserve", "checkout ends"),
}
CASES = [(story, point, when) for story, points in POINTS.items() for point in points for when in ("before", "after")]


@pytest.fixture(autouse=True)
def quick(settings):
    settings.WIDGET_STORE = SHOP
    settings.DURABLE = {**settings.DURABLE, **TIMES}


def place_order(story: str) -> Order:
    """An order, its checkout, and the customer's answer, which may come before anybody asks for it."""
    stock = 0 if story == "sold out" else STOCK
    product = Product.objects.create(slug="widget", name="Widget", price=Decimal("9.50"), stock=stock)
    order = Order.objects.create(product=product, price=product.price)
    checkout.using(workflow_id=order.workflow_id).start(str(order.pk))
    if story in ("paid", "declined"):
        durable.send(order.workflow_id, story, "payment")
    return order


def moves() -> list[str]:
    return list(Move.objects.values_list("status", flat=True))


def names() -> list[str]:
    return list(Step.objects.values_list("name", flat=True))


def check_what_is_committed(story: str) -> None:
    """At any instant: the business tables say what the journal says, no more and no less."""
    done, stock = names(), 0 if story == "sold out" else STOCK
    assert moves().count("sold_out" if story == "sold out" else "reserved") == done.count("reserve")
    assert moves().count("charged") == done.count("mark_paid")
    assert moves().count("declined") == done.count("undo_reservation")
    assert [move for move in moves() if move in STAGES] == list(STAGES[: done.count("advance")])
    assert Product.objects.get().stock == stock - moves().count("reserved") + moves().count("declined")
    assert done.count("charge") <= Charge.objects.count() <= 1


def check_the_end(story: str, order: Order) -> None:
    """Whatever happened on the way, the end is that of a run without a crash."""
    order.refresh_from_db()
    stock, charges = Product.objects.get().stock, Charge.objects.count()
    handle = durable.retrieve_workflow(order.workflow_id)
    if story == "sold out":
        with pytest.raises(OutOfStock):
            handle.get_result(timeout=20)
        assert (order.status, moves(), stock, charges) == ("sold_out", ["sold_out"], 0, 0)
    elif story == "declined":
        assert handle.get_result(timeout=20) == "declined"
        assert (order.status, moves(), stock, charges) == ("declined", ["reserved", "declined"], STOCK, 0)
    else:
        assert handle.get_result(timeout=20) == "shipped"
        assert (order.status, moves(), stock, charges) == ("shipped", SOLD_WAY, STOCK - 1, 1)
        assert Charge.objects.get().idempotency_key == f"{order.workflow_id}:6"
        assert Charge.objects.get().amount == order.price


def wait_for_the_end() -> None:
    wait_until(lambda: not Workflow.objects.live().exists(), 20, "everything ends")


@pytest.mark.parametrize("story", POINTS)
def test_the_table_names_every_checkpoint_of_a_checkout(forked, story):
    order = place_order(story)
    process = forked(crash={"root": order.workflow_id}, site={"WIDGET_STORE": SHOP}, **TIMES)
    wait_for_the_end()
    process.terminate()
    assert process.wait() == 0, process.output
    seen = [line.removeprefix("point: ") for line in process.output.splitlines() if line.startswith("point: ")]
    assert len(seen) == len(set(seen))
    if story == "paid":
        assert sorted(seen) == sorted(POINTS[story])
    else:
        assert set(POINTS[story]) <= set(seen) <= set(POINTS[story]) | set(POINTS["paid"])
    check_the_end(story, order)


@pytest.mark.parametrize(("story", "point", "when"), CASES, ids=[", ".join(case) for case in CASES])
def test_a_checkout_survives_the_death_of_its_executor(forked, rescuer, story, point, when):
    order = place_order(story)
    crash = {"root": order.workflow_id, "when": when, "point": point}
    process = forked(ready=False, crash=crash, site={"WIDGET_STORE": SHOP}, **TIMES)
    assert process.wait() == -signal.SIGKILL, process.output

    slot = point.split()[1:]
    if slot[0].isdigit():
        whose = {"workflow__parent__isnull": point.startswith("checkout")}
        assert Step.objects.filter(seq=slot[0], name=slot[1], **whose).exists() is (when == "after")
    check_what_is_committed(story)
    held = list(Workflow.objects.live().filter(executor__isnull=False))

    rescuer()
    wait_for_the_end()
    check_the_end(story, order)
    check_what_is_committed(story)
    for workflow in Workflow.objects.all():
        crashes = [attempt.outcome for attempt in workflow.tries.exclude(outcome="failed")]
        assert crashes == (["lost"] if workflow in held else [])
        assert workflow.recovery_attempts == len(crashes)
        seqs = list(workflow.steps.values_list("seq", flat=True))
        assert seqs == list(range(1, len(seqs) + 1))


def test_a_checkout_that_waits_for_its_payment_is_in_no_process_and_outlives_them_all(forked, rescuer):
    order = place_order("silent")
    first = forked(site={"WIDGET_STORE": SHOP}, **TIMES)
    wait_until(lambda: Workflow.objects.get().waiting_for == "message:payment", 20)
    first.kill()
    durable.send(order.workflow_id, "paid", "payment")  # nobody is there; it is stored
    rescuer()
    wait_for_the_end()
    check_the_end("paid", order)
    assert not Attempt.objects.exists()


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_around_the_parking_on_the_payment_loses_no_payment(forked, rescuer, when):
    order = place_order("silent")
    crash = {"root": order.workflow_id, "when": when, "point": "checkout parks on message 1"}
    process = forked(ready=False, crash=crash, site={"WIDGET_STORE": SHOP}, **TIMES)
    assert process.wait() == -signal.SIGKILL, process.output
    durable.send(order.workflow_id, "paid", "payment")
    rescuer()
    wait_for_the_end()
    check_the_end("paid", order)


def test_a_crash_of_each_executor_in_turn_at_the_next_checkpoint_still_sells_one_widget(forked, rescuer):
    order = place_order("paid")
    points = ("checkout 1 reserve", "checkout 6 charge", "checkout 7 mark_paid", "dispatch 2 advance", "dispatch ends")
    for point in points:
        crash = {"root": order.workflow_id, "when": "before", "point": point}
        process = forked(ready=False, crash=crash, site={"WIDGET_STORE": SHOP}, **TIMES)
        assert process.wait() == -signal.SIGKILL, process.output
        check_what_is_committed("paid")
    rescuer()
    wait_for_the_end()
    check_the_end("paid", order)
    assert Attempt.objects.filter(outcome="lost").count() >= len(points)


def test_the_checkout_of_another_machine_is_taken_when_its_lease_has_ended_and_not_before(forked, rescuer):
    order = place_order("paid")
    times = {**TIMES, "LEASE_SECONDS": 1.0}
    crash = {"root": order.workflow_id, "when": "before", "point": "checkout 6 charge"}
    process = forked(ready=False, crash=crash, arms=("elsewhere",), site={"WIDGET_STORE": SHOP}, **times)
    assert process.wait() == -signal.SIGKILL, process.output
    dead = Executor.objects.get()
    rescuer(**times)
    wait_for_the_end()
    check_the_end("paid", order)
    late = (Attempt.objects.get(outcome="lost").ended_at - dead.lease_until).total_seconds()
    assert 0 < late < times["LEASE_SECONDS"] / 3 * 1.05 + 0.5
