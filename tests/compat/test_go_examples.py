"""The examples of DBOS's documents for Go, written with Durable: what a Go program becomes in Python."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

import durable
from durable.errors import QueueDeduplicated, WorkflowWasCancelled
from tests.support import wait_until

PAYMENT_STATUS_TOPIC = "payment_status"
PAYMENT_URL_KEY = "payment_url"
printed: list[str] = []


@pytest.fixture(autouse=True)
def nothing_printed():
    printed.clear()


@durable.step()
def go_step_one():
    printed.append("Step one completed")
    return "success"


@durable.step()
def go_step_two():
    printed.append("Step two completed")
    return "success"


@durable.workflow()
def go_workflow(_):
    go_step_one()
    go_step_two()
    return "success"


@durable.workflow()
def go_task(i):
    durable.sleep(0.01)
    printed.append(f"Task {i} completed")
    return i


@durable.workflow()
def go_echo(value):
    return value


def test_run_workflow_gives_a_handle(executor):
    """RegisterWorkflow, RunWorkflow, RunAsStep, GetResult."""
    handle = go_workflow.start("")
    assert handle.get_result(10) == "success"
    assert printed == ["Step one completed", "Step two completed"]
    assert [handle.get_status().status, handle.get_workflow_id()] == ["SUCCESS", handle.workflow_id]


def test_a_queue_of_tasks(executor):
    """NewWorkflowQueue, WithQueue."""
    queue = durable.Queue("go-queue")

    @durable.workflow()
    def queue_workflow(queue_name):
        handles = [go_task.using(queue=queue_name).start(i) for i in range(10)]
        return len([handle.get_result() for handle in handles])

    assert queue_workflow.start(queue.name).get_result(20) == 10
    assert len(printed) == 10


def test_an_id_runs_once(executor):
    """WithWorkflowID, GetWorkflowID."""

    @durable.workflow()
    def example_workflow(_):
        printed.append(f"Running workflow with ID: {durable.workflow_id()}")
        return "success"

    for _ in range(2):
        handle = example_workflow.using(workflow_id="unique-workflow-id-123").start("")
        assert handle.get_result(10) == "success"
    assert printed == ["Running workflow with ID: unique-workflow-id-123"]


def test_a_choice_is_made_in_a_step(executor):
    """RunAsStep with a function that is not decorated."""

    @durable.workflow()
    def chooses(_):
        choice = durable.run_step({"name": "generateChoice"}, random.randint, 0, 1)
        return go_step_one() if choice == 0 else go_step_two()

    assert chooses.start("").get_result(10) == "success"


def test_timeouts_are_inherited_and_can_be_left(executor):
    """WithTimeout, WithoutCancel, CancelWorkflow."""

    @durable.workflow()
    def waits_for_cancel(_):
        durable.sleep(3600)

    @durable.workflow()
    def with_a_child(_):
        durable.set_event("free", go_echo.using(timeout=None).start("detached").workflow_id)
        waits_for_cancel("")

    handle = with_a_child.using(timeout=0.3).start("wait-for-cancel")
    with pytest.raises(WorkflowWasCancelled):
        handle.get_result(20)
    free = durable.get_event(handle.workflow_id, "free", 5)
    assert durable.retrieve_workflow(free).get_result(10) == "detached"
    other = waits_for_cancel.start("")
    assert durable.cancel_workflow(other.workflow_id)


def test_a_task_after_a_sleep(executor):
    """Sleep, RunAsStep with an argument."""

    @durable.workflow()
    def example_workflow(time_to_sleep, task):
        durable.sleep(time_to_sleep)
        return durable.run_step(None, run_task, task)

    def run_task(task):
        return f"{task} completed"

    assert example_workflow.start(0.01, "task").get_result(10) == "task completed"


def test_schedules_have_seconds(executor, monkeypatch):
    """WithSchedule: six fields, seconds first."""
    monkeypatch.setattr(durable.definition.registry, "_schedules", {})

    @durable.scheduled("*/1 * * * * *")
    @durable.workflow()
    def frequent_task(scheduled_time, actual_time):
        printed.append(f"Performing a scheduled task at: {scheduled_time.isoformat()}")

    def ticks():
        return [datetime.fromisoformat(line.removeprefix("Performing a scheduled task at: ")) for line in printed]

    first = wait_until(ticks, 15)[0]
    assert wait_until(lambda: first + timedelta(seconds=1) in ticks(), 15), "the next second has a tick too"


def test_a_step_is_retried_as_told(executor):
    """WithStepName, WithStepMaxRetries (retries, not attempts), WithMaxInterval, WithBackoffFactor, ..."""
    tries = []

    def fetch_step(url):
        tries.append(url)
        if len(tries) < 3:
            raise ConnectionError(url)
        return "body"

    options = {
        "name": "fetchFunction", "retries_allowed": True, "max_attempts": 10 + 1, "interval_seconds": 0.001,
        "backoff_rate": 2.0, "max_interval_seconds": 30,
    }  # fmt: skip

    @durable.workflow()
    def fetch_workflow(input_url):
        return durable.run_step(options, fetch_step, input_url)

    handle = fetch_workflow.start("https://example.com")
    assert handle.get_result(10) == "body" and len(tries) == 3
    assert durable.list_workflow_steps(handle.workflow_id)[0].name == "fetchFunction"


def test_a_checkout_publishes_its_url_and_waits_for_its_payment(executor):
    """SetEvent, GetEvent, Send, Recv. A timeout gives None, where Go gives an error."""

    @durable.workflow()
    def checkout_workflow(order):
        durable.set_event(PAYMENT_URL_KEY, f"https://pay.example.com/{order['id']}")
        notification = durable.recv(PAYMENT_STATUS_TOPIC, timeout_seconds=300)
        return notification["status"] if notification else "timeout"

    handle = checkout_workflow.start({"id": 7})
    url = durable.get_event(handle.workflow_id, PAYMENT_URL_KEY, timeout_seconds=30)
    assert url == "https://pay.example.com/7"
    durable.send(handle.workflow_id, {"status": "completed"}, PAYMENT_STATUS_TOPIC)
    assert handle.get_result(10) == "completed"
    assert durable.get_event(handle.workflow_id, "never", timeout_seconds=0.01) is None


def test_queues_have_limits(executor):
    """WithWorkerConcurrency, WithGlobalConcurrency, WithRateLimiter, WithMaxTasksPerIteration, WithPriorityEnabled."""
    email_queue = durable.Queue(
        "email-queue", concurrency=10, worker_concurrency=5, limiter={"limit": 100, "period": 60},
        max_tasks_per_iteration=20, priority_enabled=True,
    )  # fmt: skip
    assert email_queue.enqueue(go_echo, "email").get_result(10) == "email"
    priority = go_echo.using(queue="email-queue", priority=10).start("first")
    assert priority.get_result(10) == "first" and priority.get_status().priority == 10


def test_a_duplicate_is_an_error(executor):
    """WithDeduplicationID."""

    @durable.workflow()
    def waits(_):
        return durable.recv("go")

    durable.Queue("go-dedup")
    handle = waits.using(queue="go-dedup", dedup_id="user_12345").start("")
    with pytest.raises(QueueDeduplicated):
        waits.using(queue="go-dedup", dedup_id="user_12345").start("")
    durable.send(handle.workflow_id, "completed", "go")
    assert handle.get_result(10) == "completed"


def test_workflows_are_listed_forked_and_resumed(executor):
    """ListWorkflows and its options, GetWorkflowSteps, ForkWorkflow, ResumeWorkflow, WithAuthenticatedUser."""
    handle = go_workflow.using(authenticated_user="ada").start("input")
    handle.get_result(10)
    day_ago = datetime.now(UTC) - timedelta(hours=24)
    listed = durable.list_workflows(status=["SUCCESS"], created_after=day_ago, limit=100, user="ada")
    assert [each.pk for each in listed] == [handle.workflow_id]
    bare = durable.list_workflows(ids=[handle.workflow_id], load_input=False, load_output=False)[0]
    assert {"input", "output"} <= bare.get_deferred_fields()
    assert [step.seq for step in durable.list_workflow_steps(handle.workflow_id)] == [1, 2]
    fork = durable.fork_workflow(handle.workflow_id, 2, workflow_id="forked")
    assert fork.workflow_id == "forked" and fork.get_result(10) == "success"
    assert durable.resume_workflow("forked").get_result(10) == "success"
    assert durable.list_workflows(queues_only=True) == []


def test_a_client_enqueues_from_another_application(executor):
    """NewClient, Enqueue with its options, Shutdown."""
    durable.Queue("process_queue")

    @durable.workflow(name="ProcessWorkflow")
    def process(given):
        return {"result": given["data"], "status": "done"}

    with durable.Client() as client:
        handle = client.enqueue(
            "ProcessWorkflow", {"task_id": "task-123", "data": "data"}, queue="process_queue", timeout=1800, priority=5
        )
        assert handle.get_result(10) == {"result": "data", "status": "done"}
        assert client.retrieve_workflow(handle.workflow_id).get_status().status == "SUCCESS"


def test_what_a_process_knows_of_itself(executor):
    """GetApplicationVersion, GetExecutorID, GetStepID."""
    seen = SimpleNamespace()

    @durable.step()
    def looks():
        seen.step = durable.step_id()

    @durable.workflow()
    def asks(_):
        looks()
        return durable.executor_id()

    assert asks.start("").get_result(10) == durable.executor_id() == executor.id
    assert seen.step == 1 and durable.application_version()
