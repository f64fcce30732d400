"""What tests lean on: databases, processes, waiting."""

from .waiting import run_async, wait_until

__all__ = ["run_async", "wait_until"]
