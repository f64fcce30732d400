"""Workflows that harm the process that runs them, where it is armed for that; elsewhere they pass."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import durable
from durable.executor import living
from tests.app.models import Effect
from tests.app.workflows import anote, book, note
from tests.support import wait_until

armed: set[str] = set()
"""What this process may do to itself: "freeze", "die"."""

hooks: dict[str, Callable[[], Any]] = {}
"""What a test in this process wants to happen inside a step."""

caught: list[Exception] = []
"""What a workflow in this process took for the failure of a step."""


def has(key: str) -> bool:
    return Effect.objects.filter(key=key).exists()


@durable.step()
def held(key: str) -> str:
    """Runs until the test lets it end by an effect."""
    Effect.objects.create(key=f"{key} began")
    wait_until(lambda: has(f"{key} may end"), 60)
    Effect.objects.create(key=f"{key} ended")
    return key


@durable.workflow()
def two_steps(key: str) -> str:
    held(key)
    return note(f"{key} noted")


@durable.step()
async def aheld(key: str) -> str:
    return await asyncio.to_thread(held, key)


@durable.workflow()
async def atwo_steps(key: str) -> str:
    await aheld(key)
    await durable.asleep(0.01)
    return await anote(f"{key} noted")


def disarmed(what: str) -> bool:
    """Whether it was armed, for the first of several runs that ask: a second would stop a process that was thawed."""
    try:
        armed.remove(what)
    except KeyError:
        return False
    return True


def freeze() -> None:
    """Stop this process as a pause of the machine does, at a moment when it holds no lock of the database.

    Without that, a stopped process that holds SQLite's one lock would stop everybody else as well.
    """
    with living._lock:
        executors = [executor for _, executor in living._started]
    services = ("claimer", "sweeper", "recorder")
    sessions = [getattr(e, name).session for e in executors for name in services]
    sessions += [session for e in executors for session in e.readers.sessions]
    for session in sessions:
        session.lock.acquire()
    try:
        stop_here()
    finally:
        for session in sessions:
            session.lock.release()


def stop_here() -> None:
    """Stop the whole process, beginning with this thread: it does not go on for another instruction."""
    signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)


@durable.step()
def frozen_step() -> str:
    """Here a zombie stops; whoever runs it after that does what the test says."""
    if disarmed("freeze"):
        freeze()
        return "by the zombie"
    hooks.get("frozen", int)()
    return "by another"


@durable.step()
async def afrozen_step() -> str:
    if disarmed("freeze"):
        freeze()
        return "by the zombie"
    await asyncio.to_thread(hooks.get("frozen", int))
    return "by another"


@durable.workflow()
def freezes() -> str:
    note("before")
    try:
        done = frozen_step()
    except Exception as error:
        say(f"caught {error!r}")
        raise
    finally:
        say("it is over")
    durable.set_event("state", "thawed")
    book("after")
    return f"{note('end')} {done}"


@durable.workflow()
async def afreezes() -> str:
    await anote("before")
    try:
        done = await afrozen_step()
    except Exception as error:
        say(f"caught {error!r}")
        raise
    finally:
        say("it is over")
    await durable.aset_event("state", "thawed")
    await asyncio.to_thread(book, "after")
    return f"{await anote('end')} {done}"


def say(text: str) -> None:
    """To the log of the process."""
    sys.stdout.write(text + "\n")


@durable.transaction()
def frozen_transaction() -> str:
    Effect.objects.create(key="booked")
    if disarmed("freeze"):
        stop_here()
    return "booked"


@durable.workflow()
def freezes_in_a_transaction() -> str:
    try:
        return frozen_transaction()
    finally:
        say("it is over")


@durable.step()
def hooked(name: str) -> str:
    hooks[name]()
    return name


@durable.workflow()
def calls_hook(name: str) -> str:
    try:
        hooked(name)
    except Exception as error:
        caught.append(error)
        raise
    return book("after")


@durable.step()
def die() -> str:
    Effect.objects.create(key="tried")
    if "die" in armed:
        os.kill(os.getpid(), signal.SIGKILL)
    return "lived"


@durable.workflow(max_recovery_attempts=2)
def poison() -> str:
    return die()


@durable.step()
def spin(seconds: float, threads: int) -> int:
    """Pure Python in several threads, which share one interpreter lock with the heartbeat."""
    until = time.monotonic() + seconds
    counts = [0] * threads

    def turn(n: int) -> None:
        while time.monotonic() < until:
            counts[n] += sum(i * i for i in range(1000)) & 1

    crowd = [threading.Thread(target=turn, args=(n,)) for n in range(threads)]
    for each in crowd:
        each.start()
    for each in crowd:
        each.join()
    return len(crowd)


@durable.workflow()
def spins(seconds: float, threads: int) -> int:
    return spin(seconds, threads)
