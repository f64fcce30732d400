"""Asking an exception about itself: it may raise anything, even SystemExit, when it is looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

LONGEST_TEXT = 10_000

T = TypeVar("T")


def sure(ask: Callable[..., T], *args: Any, otherwise: Any) -> T:
    """What `ask(*args)` returns, or `otherwise`. Never raises."""
    try:
        return ask(*args)
    except BaseException:
        return otherwise


def text_from(ask: Callable[..., Any], *args: Any, longest: int = LONGEST_TEXT) -> str:
    """The text that `ask(*args)` returns, clean. Never raises."""
    try:
        return clean(ask(*args), longest)
    except BaseException as error:
        return f"<not to be had: {type(error).__name__}>"


def clean(text: str, longest: int = LONGEST_TEXT) -> str:
    """`text` as valid Unicode of bounded length; of what is too long, both ends stay."""
    if len(text) > longest:
        half, left_out = longest // 2, len(text) - longest
        text = f"{text[:half]}\n[... {left_out:,} of {len(text):,} characters left out ...]\n{text[-half:]}"
    return str.encode(text, "utf-8", "backslashreplace").decode()
