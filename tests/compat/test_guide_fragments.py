"""The shorter examples of the best-practice guides, each in the least that it needs around it."""

from __future__ import annotations

from durable.compat.dbos import DBOS, Queue, SetWorkflowID, SetWorkflowTimeout
from tests.support.waiting import run_async

from .stubs import aiohttp


def test_the_guides_messages(dbos):
    @DBOS.workflow()
    def checkout_workflow(order_id: str) -> str:
        # Wait up to 5 minutes for payment confirmation
        payment_result = DBOS.recv(topic="payment", timeout_seconds=300)

        if payment_result is None:
            return "payment_timeout"
        if payment_result["status"] == "completed":
            return "order_completed"
        return "payment_failed"

    def payment_webhook(workflow_id: str, status: str):
        DBOS.send(workflow_id, {"status": status}, topic="payment")

    handle = DBOS.start_workflow(checkout_workflow, "order")
    payment_webhook(handle.workflow_id, "completed")
    assert handle.get_result() == "order_completed"


def test_the_guides_events(dbos):
    def generate_payment_url(order):
        return f"https://pay.example.com/{order['id']}"

    @DBOS.workflow()
    def checkout_workflow(order: dict) -> str:
        payment_url = generate_payment_url(order)
        DBOS.set_event("payment_url", payment_url)
        return "completed"

    def checkout_handler(order: dict):
        handle = DBOS.start_workflow(checkout_workflow, order)
        url = DBOS.get_event(handle.workflow_id, "payment_url", timeout_seconds=30)
        return {"redirect_url": url}

    assert checkout_handler({"id": 7}) == {"redirect_url": "https://pay.example.com/7"}


def test_the_guides_queues(dbos):
    queue = Queue("task_queue", worker_concurrency=5)
    rate_limited_queue = Queue("api_queue", limiter={"limit": 100, "period": 60})  # 100 requests per minute

    @DBOS.workflow()
    def process_task(task_id: int) -> str:
        return f"Completed task {task_id}"

    @DBOS.workflow()
    def process_user_action(user_id: str, action: dict) -> str:
        return f"Processed {action} for {user_id}"

    assert queue.enqueue(process_task, 123).get_result() == "Completed task 123"
    assert rate_limited_queue.enqueue(process_task, 1).get_result() == "Completed task 1"
    queue = Queue("user_queue", worker_concurrency=10)
    # Actions for same user_id processed in order
    handle = queue.enqueue(process_user_action, "user_123", {"type": "update"}, partition_key="user_123")
    assert handle.get_result() == "Processed {'type': 'update'} for user_123"


def test_the_guides_payments_run_once(dbos):
    @DBOS.workflow()
    def process_payment(payment_id: str, amount: float) -> str:
        return f"processed {amount}"

    def handle_payment(payment_id: str, amount: float):
        # Same workflow ID = same execution (prevents duplicates)
        with SetWorkflowID(f"payment-{payment_id}"):
            result = process_payment(payment_id, amount)
        return result

    assert handle_payment("1", 2.5) == handle_payment("1", 2.5) == "processed 2.5"
    assert len(DBOS.list_workflows()) == 1


def test_the_guides_timeout_of_a_workflow_that_ends_in_time(dbos):
    @DBOS.workflow()
    def long_workflow(data: str) -> str:
        return "completed"

    # Workflow times out after 1 hour
    with SetWorkflowTimeout(3600):
        result = long_workflow("input")
    assert result == "completed"


def test_the_guides_coroutines(dbos):
    @DBOS.step()
    async def async_fetch(url: str) -> str:
        async with aiohttp.ClientSession() as session, session.get(url) as resp:
            return await resp.text()

    @DBOS.workflow()
    async def async_workflow(urls: list[str]) -> list[str]:
        await DBOS.sleep_async(0.01)
        results = []
        for url in urls:
            result = await async_fetch(url)
            results.append(result)
        return results

    assert run_async(async_workflow(["a", "b"])) == ["content", "content"]


def test_the_guides_introspection(dbos):
    @DBOS.step()
    def counts(n):
        return n

    @DBOS.workflow()
    def steps_of_three():
        return [counts(n) for n in range(3)]

    with SetWorkflowID("looked-at"):
        steps_of_three()
    workflow_id = "looked-at"
    # List workflows by status
    pending = DBOS.list_workflows(status="PENDING", limit=10)
    completed = DBOS.list_workflows(status="SUCCESS", sort_desc=True)
    assert pending == [] and [each.workflow_id for each in completed] == [workflow_id]
    # Get workflow steps
    steps = DBOS.list_workflow_steps(workflow_id)
    assert len(steps) == 3
    # Control operations
    DBOS.cancel_workflow(workflow_id)
    DBOS.resume_workflow(workflow_id)
    assert DBOS.fork_workflow(workflow_id, start_step=3).get_result() == [0, 1, 2]
