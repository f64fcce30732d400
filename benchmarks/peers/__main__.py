"""`python -m benchmarks.peers ENGINE MODULE VERB JOB`: one program of one engine, with a job in JSON.

Answers are lines of JSON on standard output. A verb that yields says so, and goes on when its standard input is closed.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .measuring import Figures

Say = Callable[[Figures], None]


def main(engine: str, module: str, verb: str, job: str) -> None:
    with _answers() as say:
        done = getattr(importlib.import_module(f"benchmarks.peers.{engine}.{module}"), verb)(json.loads(job))
        if isinstance(done, dict):
            say(done)
        else:
            for figures in done:
                say(figures)
                sys.stdin.read()
    sys.stderr.flush()
    if threading.active_count() > 1:
        os._exit(0)  # idle threads of an engine are of no interest any more


@contextmanager
def _answers() -> Iterator[Say]:
    """Standard output for answers alone: what an engine prints goes to standard error."""
    with os.fdopen(os.dup(1), "w") as out:
        os.dup2(2, 1)

        def say(figures: Figures) -> None:
            print(json.dumps(figures), file=out, flush=True)

        yield say


if __name__ == "__main__":
    main(*sys.argv[1:])
