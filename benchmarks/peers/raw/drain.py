"""The limit of one who commits each by itself."""

from .steps import run as fill

__all__ = ["fill"]
