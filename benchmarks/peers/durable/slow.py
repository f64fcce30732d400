"""The programs of steps, drain and latency, for a database that answers or writes slowly."""

from .drain import fill, work
from .latency import probe
from .latency import work as serve
from .steps import run

__all__ = ["fill", "probe", "run", "serve", "work"]
