"""A worker that has nothing to do, and how it comes to be there."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import durable
from durable.executor import Executor
from durable.models import Executor as Row

from ..measuring import Figures, Job
from ..states import at_rest, seconds_of, wait_until

BARE = """
from django.conf import settings
settings.configure(INSTALLED_APPS=[], USE_TZ=True)
import django
django.setup()
import django.db.models
"""
WHOLE = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"
import django
django.setup()
import durable.executor
for name in durable.__all__:
    getattr(durable, name)
"""


@durable.workflow()
def never(i: int) -> int:
    return i


def work(job: Job) -> Iterator[Figures]:
    """Ready when it has settled; what it used since then is told at the end."""
    for i in range(job["queues"]):
        durable.Queue(f"idle-{i}")
    Executor().start()
    time.sleep(job["settle"])  # it is the resting that is measured
    wall, cpu = time.perf_counter(), time.process_time()
    yield {}
    share = (time.process_time() - cpu) / (time.perf_counter() - wall)
    yield {"cpu": share * 100, **at_rest()}


def begin(job: Job) -> Figures:
    """Seconds to import it in a fresh interpreter, with Django and beyond it; from there to a worker that serves; and
    of `manage.py runexecutor` to the same point, beyond Django. All in turn, and of each the quickest."""
    turns = [
        (seconds_of("pass"), seconds_of(BARE), seconds_of(WHOLE), _command(f"commanded-{i}"))
        for i in range(job["times"])
    ]
    nothing, django, whole, command = map(min, zip(*turns, strict=True))
    began = time.perf_counter()
    Executor().start()
    started = time.perf_counter() - began
    return {"import": whole - nothing, "import_more": whole - django, "start": started, "command": command - django}


def _command(label: str) -> float:
    """Seconds until `runexecutor` is in the register of executors; then it is told to end."""
    command = [sys.executable, "-m", "django", "runexecutor", "--label", label]
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "benchmarks.settings"}
    began = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        wait_until(Row.objects.filter(label=label).exists, "runexecutor serves", seconds=60, look=0.002)
        return time.perf_counter() - began
    finally:
        process.terminate()
        process.wait(60)
