"""Products, orders and charges: plain Django models. Nothing in them knows that the checkout is durable."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import F
from django.urls import reverse


class Product(models.Model):
    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=80)
    description = models.CharField(max_length=200, blank=True)
    price = models.DecimalField(max_digits=8, decimal_places=2)
    stock = models.PositiveIntegerField(help_text="What can still be sold.")

    class Meta:
        ordering = ["price"]

    def __str__(self) -> str:
        return self.name

    def take(self) -> bool:
        """Take one from the shelf; False when there is none."""
        return bool(Product.objects.filter(pk=self.pk, stock__gt=0).update(stock=F("stock") - 1))

    def put_back(self) -> None:
        Product.objects.filter(pk=self.pk).update(stock=F("stock") + 1)


class Status(models.TextChoices):
    NEW = "new", "Ordered"
    RESERVED = "reserved", "Reserved"
    CHARGED = "charged", "Paid"
    PICKED = "picked", "Picked"
    PACKED = "packed", "Packed"
    SHIPPED = "shipped", "Shipped"
    SOLD_OUT = "sold_out", "Sold out"
    DECLINED = "declined", "Payment declined"
    EXPIRED = "expired", "Not paid in time"
    UNCHARGED = "uncharged", "Could not be charged"


WAY = (Status.NEW, Status.RESERVED, Status.CHARGED, Status.PICKED, Status.PACKED, Status.SHIPPED)
"""The way of an order that goes well."""

FAILED = frozenset({Status.SOLD_OUT, Status.DECLINED, Status.EXPIRED, Status.UNCHARGED})
ENDED = FAILED | {Status.SHIPPED}


class Order(models.Model):
    """One widget for one customer. Its id comes with the form, so that sending the form twice buys once."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    product = models.ForeignKey(Product, models.PROTECT, related_name="orders")
    price = models.DecimalField(max_digits=8, decimal_places=2)
    status = models.CharField(max_length=10, choices=Status, default=Status.NEW)
    payment_token = models.CharField(max_length=40, unique=True, null=True)

    def __str__(self) -> str:
        return self.number

    def get_absolute_url(self) -> str:
        return reverse("widget_store:order", args=[self.pk])

    @property
    def number(self) -> str:
        return f"W-{self.pk.hex[:8].upper()}"

    @property
    def workflow_id(self) -> str:
        """The checkout of this order: one order, one workflow."""
        return f"order-{self.pk}"

    @property
    def is_ended(self) -> bool:
        return self.status in ENDED

    @property
    def is_failed(self) -> bool:
        return self.status in FAILED

    def move(self, status: Status) -> None:
        """Say where the order is now, and keep when it got there."""
        self.status = status
        self.save(update_fields=["status"])
        self.moves.create(status=status)


class Move(models.Model):
    """When an order came to a status."""

    order = models.ForeignKey(Order, models.CASCADE, related_name="moves")
    status = models.CharField(max_length=10, choices=Status)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.order} {self.status}"


class Charge(models.Model):
    """Money taken. The payment provider's rule: one charge for one idempotency key, however often it is asked."""

    order = models.ForeignKey(Order, models.PROTECT, related_name="charges")
    amount = models.DecimalField(max_digits=8, decimal_places=2)
    idempotency_key = models.CharField(max_length=255, unique=True)
    at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.amount} for {self.order}"
