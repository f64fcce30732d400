"""A client in a process of its own, which knows nothing but the address."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from django.conf import settings

import durable
from durable.models import Executor
from tests.support.addresses import address_of
from tests.support.processes import ROOT, environment

BARE = """
import asyncio, json, sys
import durable
from durable.errors import RecordedError, SerializationError

said = {}
with durable.Client(sys.argv[1], application="tests") as client:
    handle = client.enqueue("outside_checks", "o-1", queue="outside", workflow_id="w", attributes={"a": 1})
    said["event"] = client.get_event("w", "ready", 20)
    said["stream"] = list(client.read_stream("w", "numbers", timeout_seconds=20))
    client.send("w", {"go": True}, "signal")
    said["result"] = handle.get_result(timeout=20)
    said["status"] = [row.status for row in client.list_workflows(attributes={"a": 1})]
    said["steps"] = [step.name for step in client.list_workflow_steps("w")]
    said["first"] = client.wait_first([handle]).workflow_id
    said["queue"] = client.retrieve_queue("outside").name
    said["version"] = client.latest_version() is not None
    for name, error in (("outside_gives_a_class", SerializationError), ("outside_raises_its_own", RecordedError)):
        try:
            client.enqueue(name).get_result(timeout=20)
        except error as raised:
            said[name] = f"{type(raised).__name__}: {raised}"

    async def main():
        handle = await client.aenqueue("total", kwargs={"n": 4})
        values = [value async for value in client.aread_stream("w", "numbers", offset=1)]
        return [await handle.aget_result(timeout=20), values, (await handle.aget_status()).status]

    said["async"] = asyncio.run(main())
said["modules"] = [name for name in sys.modules if name.startswith("tests")]
print(json.dumps(said))
"""


class Unregistered:
    pass


class OutsideError(Exception):
    pass


@durable.step()
def decided(name: str) -> str:
    return f"{name} is decided"


@durable.workflow()
def outside_checks(name: str) -> list:
    durable.set_event("ready", name)
    for number in range(3):
        durable.write_stream("numbers", number)
    durable.close_stream("numbers")
    return [decided(name), durable.recv("signal", 20)]


@durable.workflow()
def outside_gives_a_class() -> Unregistered:
    return Unregistered()


@durable.workflow()
def outside_raises_its_own() -> None:
    raise OutsideError("own trouble")


outside_queue = durable.Queue("outside", concurrency=2)


def run_bare(program: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("DJANGO", "DURABLE"))}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program, *arguments], capture_output=True, text=True, timeout=90,
        env={**clean, "PYTHONPATH": str(ROOT), **variables}, check=False,
    )  # fmt: skip


def test_a_process_without_django_needs_the_address_only(executor, registered):
    registered("tests.unregistered", Unregistered, lambda value: {}, lambda stored: Unregistered())
    answer = run_bare(BARE, address_of(settings.DATABASES["default"]))
    assert answer.returncode == 0, answer.stderr
    said = json.loads(answer.stdout)
    assert said.pop("outside_gives_a_class").startswith("SerializationError: ")
    assert said.pop("outside_raises_its_own") == "RecordedError: OutsideError: own trouble"
    assert "decided" in said.pop("steps")
    assert said == {
        "event": "o-1", "stream": [0, 1, 2], "result": ["o-1 is decided", {"go": True}], "status": ["SUCCESS"],
        "first": "w", "queue": "outside", "version": True, "async": [6, [1, 2], "SUCCESS"], "modules": [],
    }  # fmt: skip
    assert Executor.objects.count() == 1


def test_a_script_that_names_its_settings_need_not_set_django_up(database):
    program = """if True:
        import durable
        client = durable.Client()
        print(client.enqueue("total", 3).workflow_id, *[row.name for row in client.list_workflows()])
        import durable.conf; print(durable.conf.conf().APPLICATION_NAME)
    """
    answer = run_bare(
        program, **{key: text for key, text in environment().items() if "DURABLE" in key or "DJANGO" in key}
    )
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.split()[1:] == ["total", "tests"]


def test_without_settings_and_address_it_says_what_to_give():
    answer = run_bare("import durable; durable.Client()")
    assert "give an address" in answer.stderr and "ImproperUse" in answer.stderr
