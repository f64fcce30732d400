"""`manage.py runexecutor` as an operator uses it."""

from __future__ import annotations

import os
import signal

import pytest

from durable.models import Executor
from tests.app import workflows as app
from tests.support import wait_until


def test_it_serves_the_queues_and_the_concurrency_of_its_flags(executor_process):
    process = executor_process("--queues", "limited, per-worker", "--concurrency", "3", "--label", "mine")
    row = process.executor
    assert (row.label, row.queues, row.concurrency) == ("mine", ["limited", "per-worker"], 3)
    assert app.limited.enqueue(app.total, 3).get_result(timeout=10) == 3
    assert "total" in row.definitions and row.version
    process.terminate()
    assert process.wait() == 0
    assert "executor mine serves queues limited, per-worker, 3 at once" in process.output
    assert "executor mine stopped" in process.output
    assert Executor.objects.get().stopped_at is not None


def test_several_processes_are_one_command_and_a_crashed_one_is_started_again(executor_process):
    process = executor_process("--processes", "2", "--concurrency", "2")

    def serving():
        return list(Executor.objects.serving().values_list("pid", flat=True))

    pids = wait_until(lambda: len(serving()) == 2 and serving(), 20, "both serve")
    os.kill(pids[0], signal.SIGKILL)
    wait_until(lambda: len(now := serving()) == 2 and pids[0] not in now, 20, "another has taken its place")
    assert app.total.start(3).get_result(timeout=10) == 3
    process.terminate()
    assert process.wait() == 0
    assert "ended with -9; starting it again" in process.output
    wait_until(lambda: not serving(), 10, "none serves")


@pytest.mark.parametrize(
    ("flags", "says"),
    [(("--concurrency", "0"), "--concurrency 0 is not valid"), (("--processes", "0"), "--processes 0 is not valid")],
)
def test_impossible_flags_are_refused(executor_process, flags, says):
    process = executor_process(*flags, ready=False)
    assert process.wait() == 1
    assert says in process.output
