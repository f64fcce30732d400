"""Executors: threads, one event loop, a lease, group commit and wake-ups."""

from .executor import Executor
from .here import stop_all

__all__ = ["Executor", "stop_all"]
