"""The smallest application on absurd: what every program of it runs."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

from absurd_sdk import Absurd

from ..measuring import Figures, FirstCall, Job
from ..threads import started

URL = os.environ["BENCHMARK_DATABASE_URL"]
first = FirstCall()
app = Absurd(URL)


@app.register_task(name="nothing")
def nothing(params: Any, context: Any) -> int:
    first()
    return params


@app.register_task(name="one")
def one(params: Any, context: Any) -> int:
    first()
    return context.step("add", lambda: params + 1)


def start(**options: Any) -> None:
    """Start a worker beside this thread, with its defaults but for what is said."""
    started(lambda: app.start_worker(**options))


def prepare(job: Job) -> Figures:
    """The package index carries its schema in its command, which needs `psql`."""
    command = [os.path.join(os.path.dirname(sys.executable), "absurdctl"), "init", "-d", URL]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"absurdctl: {done.stdout}{done.stderr}")
    app.create_queue()
    return {}
