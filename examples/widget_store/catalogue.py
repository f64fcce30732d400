"""What the shop sells."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.urls import reverse

from .models import Product

PRODUCTS = (
    ("standard-widget", "Standard widget", "Does what a widget does.", "9.50", 50),
    ("premium-widget", "Premium widget", "The same, in brass. It will outlast the shop.", "24.00", 12),
    ("last-widget", "The last widget", "There is exactly one. Two people cannot both have it.", "99.00", 1),
)


def load_products() -> None:
    """Make the products that are missing; those that exist keep their stock."""
    for slug, name, description, price, stock in PRODUCTS:
        given = {"name": name, "description": description, "price": Decimal(price), "stock": stock}
        Product.objects.get_or_create(slug=slug, defaults=given)


def restock() -> None:
    """Fill the shelves as they were on the first day."""
    for slug, *_, stock in PRODUCTS:
        Product.objects.filter(slug=slug).update(stock=stock)


def prepare(**_: Any) -> tuple[str, str]:
    """Have something to sell when rundev starts."""
    load_products()
    return "Shop", reverse("widget_store:shop")
