"""`python -m benchmarks.scaling [rate ...] [--steps 3] [--days 30]`: what a rate of workflows asks of its machines.

Arithmetic over measured costs, to be read with the limits that `docs/scaling.md` names. Nothing is measured here.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

DAY = 86_400


@dataclass(frozen=True)
class Cost:
    """Of one workflow or step: microseconds of processor time, bytes of write-ahead log and of tables and indexes."""

    client: float
    server: float
    executor: float
    log: float
    stored: float

    def __add__(self, other: Cost) -> Cost:
        return Cost(*(mine + theirs for mine, theirs in zip(self.fields, other.fields, strict=True)))

    def __mul__(self, n: float) -> Cost:
        return Cost(*(n * each for each in self.fields))

    @property
    def fields(self) -> tuple[float, ...]:
        return self.client, self.server, self.executor, self.log, self.stored


ENQUEUED = Cost(client=140, server=147, executor=0, log=900, stored=0)
"""One start of its own; in a bulk of thousands the server needs 11 µs for it and the client 12."""
RUN = Cost(client=0, server=54, executor=45, log=1215, stored=1100)
"""Claim, run and finish of a workflow without steps, beside others."""
STEP = Cost(client=0, server=25, executor=46, log=372, stored=194)
"""Each recorded step, in batches of many runs. One run alone commits each by itself: 135 µs of the server's."""

KEPT_UP = 0.6
"""How much of a core may be busy all day."""


@dataclass(frozen=True)
class Need:
    """What a rate asks for."""

    rate: float
    server_cores: float
    executors: float
    log_mb: float
    gb_a_day: float
    kept_gb: float

    @property
    def texts(self) -> tuple[str, ...]:
        return (
            f"{self.rate:,.0f}", cores(self.server_cores), cores(self.executors), f"{self.log_mb:,.2f} MB/s",
            f"{self.gb_a_day:,.1f} GB", f"{self.kept_gb:,.0f} GB",
        )  # fmt: skip


def need(rate: float, steps: int, days: int) -> Need:
    """What `rate` workflows a second of `steps` steps each ask for, when their rows are kept for `days`."""
    cost = (ENQUEUED + RUN + STEP * steps) * rate
    gb_a_day = cost.stored * DAY / 1e9
    return Need(
        rate, cost.server / 1e6 / KEPT_UP, cost.executor / 1e6 / KEPT_UP, cost.log / 1e6, gb_a_day, gb_a_day * days
    )


def cores(n: float) -> str:
    return f"{n:.2f}" if n < 1 else f"{n:,.1f}"


def table(rates: list[float], steps: int, days: int) -> list[str]:
    """The rows of a Markdown table."""
    head = ("workflows/s", "server, cores", "executors, cores", "log", "stored a day", f"kept {days} days")
    rows = [head, ("---",) * len(head), *(need(rate, steps, days).texts for rate in rates)]
    return [f"| {' | '.join(row)} |" for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description="What a rate asks for.")
    parser.add_argument("rates", nargs="*", type=float, default=[10, 1_000, 100_000], help="workflows a second")
    parser.add_argument("--steps", type=int, default=3, help="of each workflow (default 3)")
    parser.add_argument("--days", type=int, default=30, help="for which rows are kept (default 30)")
    options = parser.parse_args()
    print("\n".join(table(options.rates, options.steps, options.days)))


if __name__ == "__main__":
    main()
