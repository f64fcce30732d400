"""The same work where the database is a millisecond away, and where a commit takes five. PostgreSQL only.

"Network": a proxy of its own process hands everything on after half a millisecond in either direction. "Disk": the
server waits five milliseconds before each flush of its log (`commit_delay`, `commit_siblings = 0`), in which others may
join it, as on a disk that is slow to flush. Both are checked with a round trip or a commit before each measurement.
The time of a sync step is divided by theirs, too: as many of them, at most, it waits for one after another.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any

import psycopg

from ..databases import Databases, wait_until_drained
from ..peers import LIMIT, OURS
from ..proxy import proxied
from ..report import Metric, percentile
from ..subjects import Failed, Subject
from .latency import PERCENTILES, WAYS

ROUND_TRIP_MS = 1.0
COMMIT_MS = 5.0
TRIES = 30
WIDTH = 20
STEPS = {"sync": "steps, sync", "together": f"steps, async, {WIDTH} at a time"}
DRAINS = {"drain_0": "drain, 0 steps", "drain_1": "drain, 1 step"}


@dataclass(frozen=True)
class Part:
    weather: str
    task: str

    @property
    def key(self) -> str:
        return f"{self.weather}_{self.task}"


def metrics(weather: str, delay: str) -> Iterator[Metric]:
    yield Metric(f"{weather}_delay", f"{weather}: {delay}, as it was", "ms", False, limit=f"{weather}_delay")
    for way, title in STEPS.items():
        yield Metric(f"{weather}_{way}", f"{weather}: {title}", "steps/s", limit=f"{weather}_insert")
    yield Metric(f"{weather}_waits", f"{weather}: a sync step, in times of {delay}", "x", more_is_better=False)
    yield Metric(f"{weather}_enqueue", f"{weather}: enqueue, one by one", "wf/s", limit=f"{weather}_insert")
    for task, title in DRAINS.items():
        yield Metric(f"{weather}_{task}", f"{weather}: {title}", "wf/s", limit=f"{weather}_insert")
    for way, title in WAYS.items():
        for p in PERCENTILES:
            yield Metric(f"{weather}_{way}_p{p}", f"{weather}: {title}, p{p}", "ms", False, f"{weather}_notify_p{p}")


METRICS = [*metrics("network", "a round trip"), *metrics("disk", "a commit")]


def parts(quick: bool) -> list[Part]:
    return [Part(weather, task) for weather in ("network", "disk") for task in ("steps", *DRAINS, "latency")]


def measure(subject: Subject, databases: Databases, part: Part, quick: bool, seed: int) -> dict[str, Any]:
    if databases.kind != "postgresql":
        return {}
    if part.task == "steps":
        figures = steps(subject, databases, part.weather, quick)
    elif part.task == "latency":
        figures = latency(subject, databases, part.weather, quick, seed)
    elif subject.name != LIMIT:
        figures = drain(subject, databases, part, quick)
    else:
        figures = {}
    return {f"{part.weather}_{name}": value for name, value in figures.items()}


def steps(subject: Subject, databases: Databases, weather: str, quick: bool) -> dict[str, Any]:
    job = {"steps": 60 if quick else 300, "width": WIDTH}
    with databases.fresh(subject) as url, bad_weather(url, weather) as address:
        delay = delay_of(address, weather)
        found = subject.ask("slow.run", address, **job)
    if subject.name == LIMIT:
        return {"insert": found["rate"], "delay": delay}
    return {"delay": delay, "waits": 1000 / found["sync"] / delay, **{way: found[way] for way in STEPS}}


def drain(subject: Subject, databases: Databases, part: Part, quick: bool) -> dict[str, Any]:
    n = (200 if quick else 2000) if subject.name == OURS else 60 if quick else 300
    job = {"workflows": n, "steps": int(part.task == "drain_1"), "at_once": None}
    assert subject.table is not None
    with databases.fresh(subject) as url, bad_weather(url, part.weather) as address:
        filled = subject.ask("slow.fill", address, **job)
        with subject.working("slow.work", address, **job) as worker:
            end = wait_until_drained(databases, url, subject.table, n)
    figures = {part.task: n / (end - worker["first"])}
    return figures if job["steps"] else {**figures, "enqueue": filled["rate"]}


def latency(subject: Subject, databases: Databases, weather: str, quick: bool, seed: int) -> dict[str, Any]:
    job = {"starts": 15 if quick else 50, "messages": 10 if quick else 30, "seed": seed}
    with databases.fresh(subject) as url, bad_weather(url, weather) as address:
        if subject.name == LIMIT:
            late = subject.ask("slow.probe", address, **job)
        else:
            with subject.working("slow.serve", address):
                late = subject.ask("slow.probe", address, **job)
    return {f"{way}_p{p}": percentile(values, p) for way, values in late.items() for p in PERCENTILES}


@contextmanager
def bad_weather(url: str, weather: str) -> Iterator[str]:
    """The address at which the database at `url` is slow. Raises `Failed` when it is not."""
    if weather == "network":
        with proxied(url, ROUND_TRIP_MS) as address:
            yield checked(address, weather, ROUND_TRIP_MS)
    else:
        flush_slowly(url)
        yield checked(url, weather, COMMIT_MS)


def checked(address: str, weather: str, least: float) -> str:
    if (found := delay_of(address, weather)) < least:
        raise Failed(f"{weather}: it should take {least} ms and took {found:.2f}")
    return address


def flush_slowly(url: str) -> None:
    """Every session that begins on this database from now on waits before it flushes."""
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        name = f'"{connection.info.dbname}"'
        try:
            connection.execute(f"alter database {name} set commit_delay = {COMMIT_MS * 1000:.0f}")
            connection.execute(f"alter database {name} set commit_siblings = 0")
        except psycopg.errors.InsufficientPrivilege as error:
            raise Failed(f"only a superuser of the server can make it slow: {error}") from error


def delay_of(address: str, weather: str) -> float:
    """Milliseconds of a round trip, or of a commit, there: the median of some."""
    with closing(psycopg.connect(address, autocommit=True)) as connection:
        if weather == "network":
            return timed(connection, "select 1")
        connection.execute("create table weather (day int)")
        try:
            return timed(connection, "insert into weather values (1)")
        finally:
            connection.execute("drop table weather")


def timed(connection: Any, statement: str) -> float:
    took = []
    for _ in range(TRIES):
        began = time.perf_counter()
        connection.execute(statement)
        took.append((time.perf_counter() - began) * 1000)
    return median(took)
