"""The programs of steps and latency, for a database that answers or writes slowly."""

from .latency import probe
from .steps import run

__all__ = ["probe", "run"]
