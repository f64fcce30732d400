"""Threads of an executor: they come with the work, and go when there is none."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from queue import Empty, SimpleQueue
from typing import Any

import pytest
from asgiref.sync import SyncToAsync
from django.db import connections

from durable.executor import nursery
from durable.executor import pool as pools
from durable.executor.pool import Pool
from tests.app import workflows as app
from tests.support import wait_until


@pytest.fixture
def pool() -> Iterator[Pool]:
    made = Pool(3, "test-pool")
    yield made
    made.stop()
    made.join(5)
    assert made.threads == 0


def ran(pool: Pool) -> threading.Event:
    """Submits a job; its event."""
    done = threading.Event()
    pool.submit(done.set)
    return done


def test_threads_are_made_for_the_work_there_is_and_end_when_there_is_none(pool, monkeypatch):
    monkeypatch.setattr(pools, "IDLE_SECONDS", 0.01)
    go = threading.Event()
    for _ in range(5):
        pool.submit(lambda: go.wait(10))
    assert pool.threads == 3 and pool.is_crowded
    go.set()
    wait_until(lambda: pool.threads == 0)
    assert not pool.is_crowded
    assert ran(pool).wait(5)


def test_a_thread_that_has_work_now_and_then_stays(pool):
    idents = set()
    for _ in range(20):
        done = threading.Event()
        pool.submit(lambda done=done: (idents.add(threading.get_ident()), done.set()))
        assert done.wait(5)
        wait_until(lambda: not pool._busy)
    assert len(idents) == pool.threads == 1


class Jobs:
    """A queue of which the second wait ends without a job, when the test says so."""

    def __init__(self) -> None:
        self.inner: SimpleQueue[Any] = SimpleQueue()
        self.asked, self.waits, self.gives_up = 0, threading.Event(), threading.Event()
        self.put, self.empty = self.inner.put, self.inner.empty

    def get(self, timeout: float) -> Any:
        self.asked += 1
        if self.asked == 2:
            self.waits.set()
            assert self.gives_up.wait(10)
            raise Empty
        return self.inner.get(timeout=timeout)


def test_a_job_that_comes_when_the_only_thread_gives_up_waiting_is_run(pool):
    jobs = pool._jobs = Jobs()
    assert ran(pool).wait(5)
    assert jobs.waits.wait(5)
    done = ran(pool)  # there is a thread, so none is made for it
    assert pool.threads == 1
    jobs.gives_up.set()
    assert done.wait(5)


def test_hundreds_of_jobs_around_that_moment_are_all_run(pool, monkeypatch):
    monkeypatch.setattr(pools, "IDLE_SECONDS", 0.0002)
    pause = threading.Event()
    for n in range(400):
        assert ran(pool).wait(5), n
        pause.wait(n % 8 * 0.0001)
    wait_until(lambda: pool.threads == 0)


def test_an_idle_executor_has_no_threads_for_runs_and_makes_them_again(executor, monkeypatch):
    monkeypatch.setattr(pools, "IDLE_SECONDS", 0.01)
    for _ in range(3):
        assert app.total.start(2).get_result(timeout=10) == 1
        wait_until(lambda: executor.pool.threads == 0)


@pytest.fixture
def loops_thread() -> Iterator[threading.Event]:
    """The thread in which coroutines use the ORM is busy until the event is set."""
    began, go = threading.Event(), threading.Event()
    SyncToAsync.single_thread_executor.submit(lambda: (began.set(), go.wait(10)))
    assert began.wait(5)
    yield go
    go.set()
    SyncToAsync.single_thread_executor.submit(connections.close_all).result(5)


def test_of_many_coroutine_runs_that_end_at_once_one_gives_the_connections_back(loops_thread, monkeypatch):
    closed = []
    monkeypatch.setattr(nursery, "close_connections", lambda: closed.append(1))
    for _ in range(100):
        nursery.give_back()
    loops_thread.set()
    SyncToAsync.single_thread_executor.submit(lambda: None).result(5)
    assert closed == [1]
    nursery.give_back()
    SyncToAsync.single_thread_executor.submit(lambda: None).result(5)
    assert closed == [1, 1]


def test_a_run_that_ends_while_they_are_given_back_has_them_given_back_again(loops_thread, monkeypatch):
    closed = []

    def close() -> None:
        closed.append(1)
        if len(closed) == 1:
            nursery.give_back()

    monkeypatch.setattr(nursery, "close_connections", close)
    nursery.give_back()
    loops_thread.set()
    for _ in range(2):
        SyncToAsync.single_thread_executor.submit(lambda: None).result(5)
    assert closed == [1, 1]
