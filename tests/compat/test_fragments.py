# ruff: noqa: T201  the documents print
"""The shorter examples of DBOS's documents, each in the least that it needs around it."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from durable.compat.dbos import (
    DBOS,
    DBOSConfiguredInstance,
    Debouncer,
    Queue,
    SetEnqueueOptions,
    SetWorkflowID,
    SetWorkflowTimeout,
    WorkflowHandle,
)
from durable.compat.dbos import error as dboserror
from durable.compat.dbos.error import DBOSQueueDeduplicatedError
from tests.support import wait_until
from tests.support.waiting import run_async

from .stubs import aiohttp, requests


@pytest.fixture
def printed(capsys):
    return lambda: capsys.readouterr().out.splitlines()


def test_a_workflow_of_steps(dbos, printed):
    @DBOS.step()
    def step_one():
        print("Step one completed!")

    @DBOS.step()
    def step_two():
        print("Step two completed!")

    @DBOS.workflow()
    def workflow():
        step_one()
        step_two()

    workflow()
    assert printed() == ["Step one completed!", "Step two completed!"]


def test_a_workflow_id_is_an_idempotency_key(dbos, caplog):
    @DBOS.workflow()
    def example_workflow():
        DBOS.logger.info(f"I am a workflow with ID {DBOS.workflow_id}")

    DBOS.logger.setLevel("INFO")
    DBOS.logger.propagate = True
    for _ in range(2):
        with SetWorkflowID("very-unique-id"):
            example_workflow()
    assert caplog.messages.count("I am a workflow with ID very-unique-id") == 1


def test_a_background_workflow_has_a_handle(dbos):
    @DBOS.workflow()
    def example_workflow(var1: str, var2: str):
        DBOS.sleep(0.01)  # Sleep for 10 seconds
        return var1 + var2

    # Start example_workflow in the background
    handle: WorkflowHandle = DBOS.start_workflow(example_workflow, "var1", "var2")
    # Wait for the workflow to complete and retrieve its result.
    result = handle.get_result()
    assert result == "var1var2"
    assert DBOS.retrieve_workflow(handle.get_workflow_id()).get_result() == result


def test_a_choice_is_made_in_a_step(dbos):
    taken = []

    @DBOS.step()
    def step_one():
        taken.append(0)

    @DBOS.step()
    def step_two():
        taken.append(1)

    @DBOS.step()
    def generate_choice():
        return random.randint(0, 1)

    @DBOS.workflow()
    def example_workflow(friend: str):
        choice = generate_choice()
        if choice == 0:
            step_one()
        else:
            step_two()

    with SetWorkflowID("chosen"):
        example_workflow("ada")
    assert taken == [DBOS.list_workflow_steps("chosen")[0]["output"]]


def test_a_timeout_of_a_direct_call(dbos):
    @DBOS.workflow()
    def example_workflow():
        while True:
            DBOS.sleep(0.02)

    # If the workflow does not complete within 10 seconds, it times out and is cancelled
    with pytest.raises(dboserror.DBOSAwaitedWorkflowCancelledError), SetWorkflowTimeout(0.2):
        example_workflow()


def test_a_task_is_put_off_by_a_sleep(dbos):
    run = []

    @DBOS.step()
    def run_task(task):
        run.append(task)

    @DBOS.workflow()
    def schedule_task(time_to_sleep, task):
        # Durably sleep for some time before running the task
        DBOS.sleep(time_to_sleep)
        run_task(task)

    schedule_task(0.01, "task")
    assert run == ["task"]


def test_inputs_of_a_user_are_debounced(dbos):
    processed = []

    @DBOS.workflow()
    def process_input(user_input):
        processed.append(user_input)

    debouncer = Debouncer.create(process_input)

    def on_user_input_submit(user_id, user_input):
        debounce_key = user_id
        debounce_period_sec = 0.3
        debouncer.debounce(debounce_key, debounce_period_sec, user_input)

    for n in range(3):
        on_user_input_submit("user", n)
    wait_until(lambda: processed)
    assert processed == [2]


def test_a_coroutine_workflow_awaits_steps_and_a_transaction(dbos):
    @DBOS.transaction()
    def example_transaction(body):
        return f"stored {body}"

    @DBOS.step()
    async def example_step():
        async with aiohttp.ClientSession() as session, session.get("https://example.com") as response:
            return await response.text()

    @DBOS.workflow()
    async def example_workflow(friend: str):
        await DBOS.sleep_async(0.01)
        body = await example_step()
        result = await asyncio.to_thread(example_transaction, body)
        return result

    async def main():
        handle = await DBOS.start_workflow_async(example_workflow, "ada")
        return await handle.get_result()

    assert run_async(main()) == "stored content"


def test_a_stream_is_written_and_read(dbos, printed):
    example_key = "example"

    @DBOS.workflow()
    def producer_workflow():
        DBOS.write_stream(example_key, {"step": 1, "data": "value1"})
        DBOS.write_stream(example_key, {"step": 2, "data": "value2"})
        DBOS.close_stream(example_key)  # Signal completion

    workflow_id = DBOS.start_workflow(producer_workflow).workflow_id
    for value in DBOS.read_stream(workflow_id, example_key):
        print(f"Received: {value}")
    assert printed() == [f"Received: {{'step': {n}, 'data': 'value{n}'}}" for n in (1, 2)]


def test_a_step_retries_up_to_ten_times(dbos):
    tries = []

    def get(url):
        tries.append(url)
        if len(tries) < 3:
            raise ConnectionError(url)
        return SimpleNamespace(text="content")

    requests = SimpleNamespace(get=get)

    @DBOS.step(retries_allowed=True, max_attempts=10, interval_seconds=0.001)
    def example_step():
        return requests.get("https://example.com").text

    @DBOS.workflow()
    def fetches():
        return example_step()

    assert fetches() == "content" and len(tries) == 3


@pytest.mark.parametrize("kind", [DBOS.step, DBOS.workflow])
def test_tasks_are_processed_over_a_queue(dbos, kind):
    queue = Queue("example_queue")

    @kind()
    def process_task(task):
        return task * 2

    @DBOS.workflow()
    def process_tasks(tasks):
        task_handles = []
        # Enqueue each task so all tasks are processed concurrently.
        for task in tasks:
            handle = queue.enqueue(process_task, task)
            task_handles.append(handle)
        # Wait for each task to complete and retrieve its result.
        # Return the results of all tasks.
        return [handle.get_result() for handle in task_handles]

    assert process_tasks([1, 2, 3]) == [2, 4, 6]


def test_queues_take_the_limits_of_the_documents(dbos):
    @DBOS.step()
    def process_event(event: str):
        return event

    for number, limits in enumerate((
        {}, {"concurrency": 10, "worker_concurrency": 5}, {"worker_concurrency": 5}, {"concurrency": 10},
        {"limiter": {"limit": 50, "period": 30}}, {"concurrency": 1}, {"priority_enabled": True},
    )):  # fmt: skip
        queue = Queue(f"example_queue_{number}", **limits)
        assert queue.enqueue(process_event, "event").get_result() == "event"
        for limit, value in limits.items():
            assert getattr(queue, limit) == value


def test_a_partition_key_of_each_user(dbos):
    @dataclass
    class Task:
        name: str

    queue = Queue("partitioned_queue", partition_queue=True, concurrency=1)
    running, most = [], []

    @DBOS.workflow()
    def process_task(task: Task):
        running.append(task.name)
        most.append(len(running))
        DBOS.sleep(0.01)
        running.remove(task.name)
        return task.name

    def on_user_task_submission(user_id: str, task: Task):
        # Partition the task queue by user ID. As the queue has a
        # maximum concurrency of 1, this means that at most one
        # task can run at once per user (but tasks from different
        # users can run concurrently).
        with SetEnqueueOptions(queue_partition_key=user_id):
            return queue.enqueue(process_task, task)

    handles = [on_user_task_submission("ada", Task(str(n))) for n in range(3)]
    assert [handle.get_result() for handle in handles] == ["0", "1", "2"] and max(most) == 1


def test_a_duplicate_raises_the_error_of_both_spellings(dbos):
    queue = Queue("deduplicating_queue")

    @DBOS.workflow()
    def example_workflow():
        DBOS.recv("never")

    for caught in (DBOSQueueDeduplicatedError, dboserror.DBOSQueueDeduplicatedError):
        with SetEnqueueOptions(deduplication_id="my_dedup_id"):
            try:
                handle = queue.enqueue(example_workflow)
            except caught as e:
                assert e.deduplication_id == "my_dedup_id"
    DBOS.cancel_workflow(handle.workflow_id)


def test_the_first_workflow_comes_before_all_tasks(dbos):
    done = []
    queue = Queue("priority_queue", priority_enabled=True, concurrency=1)

    @DBOS.workflow()
    def blocks():
        DBOS.recv("go")

    @DBOS.workflow()
    def task_workflow(task):
        done.append(task)

    @DBOS.workflow()
    def first_workflow():
        done.append("first")

    blocker = queue.enqueue(blocks)
    wait_until(lambda: blocker.get_status().status == "PENDING")
    tasks = [1, 2]
    with SetEnqueueOptions(priority=10):
        # All workflows are enqueued with priority set to 10
        # They will be dequeued in FIFO order
        for task in tasks:
            last = queue.enqueue(task_workflow, task)

    # first_workflow (priority=1) will be dequeued before all task_workflows (priority=10)
    with SetEnqueueOptions(priority=1):
        queue.enqueue(first_workflow)
    DBOS.send(blocker.workflow_id, "go", "go")
    last.get_result()
    assert done == ["first", 1, 2]


def test_a_class_of_fetchers(dbos, printed):
    @DBOS.dbos_class()
    class URLFetcher(DBOSConfiguredInstance):
        def __init__(self, url: str):
            self.url = url
            super().__init__(config_name=url)

        @DBOS.workflow()
        def fetch_workflow(self):
            return self.fetch_url()

        @DBOS.step()
        def fetch_url(self):
            return requests.get(self.url).text

    example_fetcher = URLFetcher("https://example.com/of-a-fragment")
    print(example_fetcher.fetch_workflow())
    assert printed() == ["content of https://example.com/of-a-fragment"]
