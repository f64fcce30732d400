"""Executors that can be forked, crashed, stopped and thawed."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from durable.executor import Executor
from tests.support import run_async

from .zygote import ForkedExecutor, Zygote


@pytest.fixture(scope="session")
def zygote(database: str) -> Iterator[Zygote]:
    parent = Zygote()
    yield parent
    parent.end()


@pytest.fixture
def forked(zygote: Zygote, tmp_path: Path) -> Iterator[Callable[..., ForkedExecutor]]:
    """Like `executor_process`, but the process is forked; `arms`, `crash` and `site` are as for `ForkedExecutor`."""
    started: list[ForkedExecutor] = []
    numbers = itertools.count(1)

    def start(
        *arguments: str, ready: bool = True, arms: tuple[str, ...] = (), crash: dict[str, str] | None = None,
        site: dict[str, Any] | None = None, **changes: Any,
    ) -> ForkedExecutor:  # fmt: skip
        log = tmp_path / f"forked-{next(numbers)}.log"
        process = ForkedExecutor(zygote, log, arguments, changes, arms=arms, crash=crash, site=site)
        started.append(process)
        if ready:
            process.wait_until_ready()
        return process

    yield start
    for process in started:
        process.end()


@pytest.fixture
def rescuer(database: str, settings: Any) -> Iterator[Callable[..., Executor]]:
    """Starts executors in this process, with changed settings: `rescuer(LEASE_SECONDS=1)`."""
    started: list[Executor] = []

    def start(**changes: Any) -> Executor:
        settings.DURABLE = {**settings.DURABLE, **changes}
        executor = Executor(label=f"rescuer {len(started) + 1}").start()
        started.append(executor)
        return executor

    yield start
    for executor in started:
        executor.drain(2)
    run_async(asyncio.sleep(0))  # gives back the connection of the thread in which coroutines use the ORM
