"""A coroutine workflow may call plain steps; they run on its loop, whoever has to connect first."""

from __future__ import annotations

import durable
from tests.support import run_async


@durable.step
def plain_double(x):
    return 2 * x


@durable.workflow
async def calls_plain_steps(x):
    first = plain_double(x)
    await durable.asleep(0)
    return first + plain_double(first)


def test_a_plain_step_is_recorded_though_the_engines_connection_was_lost(executor):
    executor.recorder.session.close()
    assert calls_plain_steps.start(3).get_result(timeout=10) == 18


def test_a_direct_call_connects_on_the_callers_loop(database):
    assert run_async(calls_plain_steps(2)) == 12
