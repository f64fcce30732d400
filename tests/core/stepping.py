"""What tests of steps share: a note of what steps did, and a gate at which they wait."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

calls: list[Any] = []
gate = threading.Event()


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """In each module that imports it, every test begins with nothing called, and leaves no step behind at the gate."""
    calls.clear()
    gate.clear()
    yield
    gate.set()
