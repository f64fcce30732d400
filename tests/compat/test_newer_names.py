"""Names of DBOS 3.x that its older documents do not have."""

from __future__ import annotations

import inspect
import itertools
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace

import pytest
from django.db import connections
from pydantic import BaseModel

from durable.compat import dbos as names
from durable.compat.dbos import (
    DBOS,
    AsyncSQLAlchemyDatasource,
    DBOSClient,
    DBOSPortableJSONSerializer,
    KafkaMessage,
    PortableWorkflowError,
    PropagateOtelContext,
    SendMessage,
    SetShardKey,
    SetWorkflowID,
    WorkflowSerializationFormat,
)
from durable.compat.dbos.absent import CLIENT_METHODS, METHODS
from durable.compat.dbos.error import DBOSException, DBOSStreamTimeoutError
from durable.compat.dbos.managing import criteria
from durable.models import Workflow
from durable.registry import Registry
from tests.support.waiting import run_async

from .running import address_of

numbers = itertools.count(1)

EXPORTS = """
    DBOSConfig DBOS DBOSClient DBOSConfiguredInstance DBOSPortableJSONSerializer DBOSContextEnsure DBOSContextSetAuth
    DuplicationPolicy ScheduleInput ClientScheduleInput EnqueueOptions KafkaMessage PortableWorkflowError
    PropagateOtelContext SetWorkflowAttributes SetWorkflowID SetWorkflowTimeout SetEnqueueOptions SetShardKey
    SendMessage StepInfo StepOptions StepReservation WorkflowHandle WorkflowHandleAsync WorkflowIDReusePolicy
    WorkflowSerializationFormat WorkflowSchedule VersionInfo WorkflowStatus WorkflowStatusString error Queue Debouncer
    DebouncerClient Serializer pydantic_args_validator make_pydantic_args_validator run_dbos_database_migrations
    SQLAlchemyDatasource AsyncSQLAlchemyDatasource
"""
SCHEDULE = "schedule_name schedule context automatic_backfill cron_timezone queue_name"
LIMITS = (
    "worker_concurrency global_concurrency partition_concurrency partition_worker_concurrency partition_limiter "
    "limiter polling_interval_sec concurrency"
)
ALONE = {
    "migrate": "system_database_url schema application_role sharding", "launch": "", "listen_queues": "queues",
    "destroy": "destroy_registry workflow_completion_timeout_sec",
    "reset_system_database": "system_database_url schema truncate", "alert_handler": "func",
    "workflow": "name max_recovery_attempts serialization_type validate_args auto_upgrade",
    "step": "name retries_allowed interval_seconds max_attempts backoff_rate should_retry preemptible timeout_seconds",
    "transaction": "isolation_level", "scheduled": "cron", "reserve_step": "", "asyncio_wait": "timeout return_when",
    "dbos_class": "class_name name", "required_roles": "roles", "default_required_roles": "roles",
    "set_authentication": "authenticated_user authenticated_roles",
    "kafka_consumer": "config topics ordering batch_size queue_name",
}  # fmt: skip
PAIRS = {
    "start_workflow": "", "enqueue_workflow": "", "enqueue_workflow_with_options": "options", "run_step": "",
    "retrieve_workflow": "workflow_id existing_workflow", "get_workflow_status": "workflow_id",
    "get_result": "workflow_id polling_interval_sec shard_key", "wait_first": "handles polling_interval_sec",
    "update_workflow_attributes": "workflow_id attributes merge",
    "set_workflow_delay": "workflow_id delay_seconds delay_until_epoch_ms",
    "send": "destination_id message topic idempotency_key serialization_type send_to_forks",
    "send_bulk": "messages serialization_type send_to_forks", "recv": "topic timeout_seconds", "sleep": "seconds",
    "set_event": "key value serialization_type", "get_event": "workflow_id key timeout_seconds",
    "get_all_events": "workflow_id", "write_stream": "key value serialization_type", "close_stream": "key",
    "read_stream": "workflow_id key offset polling_interval_sec timeout_seconds shard_key",
    "read_stream_offset": "workflow_id key offset polling_interval_sec timeout_seconds shard_key",
    "cancel_workflow": "workflow_id cancel_children", "cancel_workflows": "workflow_ids cancel_children",
    "resume_workflow": "workflow_id queue_name", "resume_workflows": "workflow_ids queue_name",
    "delete_workflow": "workflow_id delete_children", "delete_workflows": "workflow_ids delete_children",
    "fork_workflow": "workflow_id start_step application_version queue_name queue_partition_key replacement_children "
    "timeout_seconds",
    "rewind_workflow": "workflow_id start_step application_version queue_name queue_partition_key",
    "list_workflows": "", "list_queued_workflows": "", "list_workflow_steps": "workflow_id load_output limit offset",
    "register_queue": f"name on_conflict {LIMITS}", "retrieve_queue": "name", "list_queues": "application_name",
    "delete_queue": "name", "create_schedule": f"workflow_fn {SCHEDULE}", "apply_schedules": "schedules",
    "list_schedules": "status workflow_name schedule_name_prefix application_name", "get_schedule": "name",
    "delete_schedule": "name", "pause_schedule": "name", "resume_schedule": "name",
    "backfill_schedule": "schedule_name start end", "trigger_schedule": "schedule_name",
    "list_application_versions": "", "get_latest_application_version": "",
    "set_latest_application_version": "version_name application_name", "patch": "patch_name",
    "deprecate_patch": "patch_name",
}  # fmt: skip
NOT_OF_CLIENTS = (
    "start_workflow enqueue_workflow enqueue_workflow_with_options run_step get_result recv sleep set_event "
    "write_stream close_stream patch deprecate_patch"
)
OF_CLIENTS = {name: said for name, said in PAIRS.items() if name not in NOT_OF_CLIENTS.split()} | {
    "enqueue": "options", "check_connection": "", "destroy": "",
    "create_schedule": f"workflow_name workflow_class_name application_name {SCHEDULE}",
}  # fmt: skip
CONTEXT = (
    "workflow_id step_id step_status application_version executor_id logger span tracer authenticated_user "
    "authenticated_roles assumed_role shard_key"
)
CRITERIA = (
    "workflow_ids status start_time end_time completed_after completed_before dequeued_after dequeued_before name "
    "app_version forked_from parent_workflow_id user queue_name limit offset sort_desc workflow_id_prefix load_input "
    "load_output executor_id queues_only was_forked_from is_fork has_parent attributes schedule_name application_name "
    "shard_key parent_shard_key"
)


class Item(BaseModel):
    name: str
    price: Decimal


@DBOS.workflow()
def newer_streams(n):
    for value in range(n):
        DBOS.write_stream("values", value * 10, serialization_type=WorkflowSerializationFormat.PORTABLE)
    return n


@pytest.fixture
def url(database):
    alias = connections.settings["default"]
    return f"sqlite:///{alias['NAME']}" if database == "sqlite" else address_of(alias, alias["NAME"])


def accepts(function, said):
    """Whether a function takes all of these keywords."""
    parameters = inspect.signature(function).parameters
    is_open = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
    return [word for word in said.split() if word not in parameters and not is_open]


# --- names


@pytest.mark.parametrize("name", EXPORTS.split())
def test_every_name_of_the_newer_library_can_be_imported(name):
    assert name in names.__all__ and getattr(names, name) is not None


def test_every_method_of_dbos_takes_the_documented_keywords():
    missing = {name: accepts(getattr(DBOS, name), said) for name, said in (ALONE | PAIRS).items()}
    missing |= {f"{name}_async": accepts(getattr(DBOS, f"{name}_async"), said) for name, said in PAIRS.items()}
    assert {name: words for name, words in missing.items() if words} == {}
    assert all(name in dir(DBOS) for name in CONTEXT.split())


def test_every_method_of_a_client_takes_the_documented_keywords():
    missing = {name: accepts(getattr(DBOSClient, name), said) for name, said in OF_CLIENTS.items()}
    missing |= {
        f"{name}_async": accepts(getattr(DBOSClient, f"{name}_async"), said) for name, said in OF_CLIENTS.items()
    }
    assert {name: words for name, words in missing.items() if words} == {}


def test_every_criterion_of_a_list_is_known():
    assert criteria(dict.fromkeys(CRITERIA.split())) == {}
    with pytest.raises(TypeError, match="colour"):
        criteria({"colour": None})


@pytest.mark.parametrize(
    ("use", "words"),
    [
        (lambda: SetShardKey("a"), "SetShardKey is not available"),
        (lambda: KafkaMessage(topic="t"), "KafkaMessage is not available"),
        (lambda: AsyncSQLAlchemyDatasource.create("postgresql://host/db"), "use SQLAlchemyDatasource"),
        (lambda: DBOS.get_result("w", shard_key="a"), "one PostgreSQL database"),
        (lambda: DBOS.cancel_workflow("w", shard_key="a"), "one PostgreSQL database"),
        (lambda: DBOS.list_workflows(shard_key="a"), "one PostgreSQL database"),
        (lambda: DBOS.send_bulk([SendMessage("w", 1, shard_key="a")]), "one PostgreSQL database"),
        (lambda: DBOS.migrate("sqlite:///x.sqlite", sharding=True), "one PostgreSQL database"),
        (lambda: DBOS.workflow(auto_upgrade=True), "move_to_version"),
        (lambda: DBOS.workflow(validate_args=3)(lambda: 1), "validate_args=3"),
        *[(lambda name=name: getattr(DBOS, name)({}, ["t"]), f"DBOS.{name} is not available") for name in METHODS],
        *[(lambda name=name: getattr(DBOSClient, name)(None), f"DBOSClient.{name}") for name in CLIENT_METHODS],
    ],
)  # fmt: skip
def test_what_is_not_there_is_refused_when_it_is_used(dbos, use, words):
    with pytest.raises(DBOSException, match=words):
        use()


def test_a_class_that_is_not_there_may_still_be_named():
    def consumer(message: KafkaMessage) -> None: ...

    assert inspect.signature(consumer, eval_str=True).parameters["message"].annotation is KafkaMessage
    assert not isinstance(3, SetShardKey)


def test_a_shard_key_of_none_is_none(dbos):
    assert newer_streams(0) == 0
    assert DBOS.shard_key is None and DBOS.start_workflow(newer_streams, 0).shard_key is None
    assert len(DBOS.list_workflows(shard_key=None)) == 2
    assert DBOS.get_workflow_status("nobody", shard_key=None) is None


def test_a_trace_context_is_a_block_that_stores_nothing(dbos):
    with PropagateOtelContext(), SetWorkflowID("traced"):
        assert newer_streams(1) == 1
    assert Workflow.objects.get(pk="traced").attributes is None


# --- streams and messages


def test_one_value_of_a_stream_is_read_by_its_offset(dbos):
    handle = DBOS.start_workflow(newer_streams, 3)
    assert DBOS.read_stream_offset(handle.workflow_id, "values", 2, timeout_seconds=10) == 20
    assert DBOS.read_stream_offset(handle.workflow_id, "values", 0) == 0
    assert run_async(DBOS.read_stream_offset_async(handle.workflow_id, "values", 1)) == 10


def test_a_stream_that_ends_before_the_offset_or_comes_too_late_is_a_timeout(dbos):
    @DBOS.workflow()
    def silent():
        DBOS.recv("go")

    with SetWorkflowID("short"):
        newer_streams(1)
    for read in (DBOS.read_stream_offset, lambda *a: run_async(DBOS.read_stream_offset_async(*a))):
        with pytest.raises(DBOSStreamTimeoutError, match="offset 1"):
            read("short", "values", 1)
    handle = DBOS.start_workflow(silent)
    with pytest.raises(DBOSStreamTimeoutError):
        DBOS.read_stream_offset(handle.workflow_id, "values", 0, timeout_seconds=0.01)


def test_reading_at_an_offset_is_recorded_in_a_workflow(dbos):
    @DBOS.workflow()
    def reads():
        return [DBOS.read_stream_offset("written", "values", n) for n in (1, 0)]

    with SetWorkflowID("written"):
        newer_streams(2)
    with SetWorkflowID("reads"):
        assert reads() == [10, 0]
    assert [step["function_name"] for step in DBOS.list_workflow_steps("reads")] == ["DBOS.readStream"] * 2


def test_a_client_reads_at_an_offset(dbos, url):
    with SetWorkflowID("read-by-a-client"):
        newer_streams(2)
    with DBOSClient(system_database_url=url) as client:
        client.check_connection()
        assert client.read_stream_offset("read-by-a-client", "values", 1) == 10
        with pytest.raises(DBOSStreamTimeoutError):
            client.read_stream_offset("read-by-a-client", "values", 2)

    async def read():
        with_client = DBOSClient(system_database_url=url)
        try:
            return await with_client.read_stream_offset_async("read-by-a-client", "values", 0)
        finally:
            await with_client.destroy_async()

    assert run_async(read()) == 0


def test_messages_of_a_bulk_are_made_or_written_down(dbos):
    @DBOS.workflow()
    def receives():
        return [DBOS.recv("t", timeout_seconds=10) for _ in range(2)]

    handle = DBOS.start_workflow(receives)
    DBOS.send_bulk(
        [SendMessage(handle.workflow_id, 1, "t"), {"destination_id": handle.workflow_id, "message": 2, "topic": "t"}],
        serialization_type=WorkflowSerializationFormat.PORTABLE,
    )
    assert handle.get_result() == [1, 2]


# --- values and errors


def test_portable_json_is_plain_json():
    portable = DBOSPortableJSONSerializer()
    value = {"at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "sum": Decimal("1.5"), "both": (1, 2), "set": {3}}
    text = portable.serialize(value)
    assert text == '{"at":"2026-01-02T03:04:05.000Z","sum":"1.5","both":[1,2],"set":[3]}'
    assert portable.deserialize(text)["both"] == [1, 2] and portable.name() == "portable_json"
    for wrong in (object(), b"bytes", Item(name="a", price=1)):
        with pytest.raises(TypeError, match="portable JSON"):
            portable.serialize(wrong)
    with pytest.raises(ValueError, match="JSON compliant"):
        portable.serialize(float("nan"))


def test_a_portable_error_keeps_its_name_code_and_data(dbos):
    @DBOS.workflow(serialization_type=WorkflowSerializationFormat.PORTABLE)
    def fails():
        raise PortableWorkflowError("no funds", "PaymentError", 402, {"missing": 5})

    handle = DBOS.start_workflow(fails)
    with pytest.raises(PortableWorkflowError) as caught:
        handle.get_result()
    error = caught.value
    assert (str(error), error.name, error.code, error.data) == ("no funds", "PaymentError", 402, {"missing": 5})


# --- queues


def test_partitions_keep_their_order_while_the_queue_works_on_many(dbos):
    """What `enqueue(..., partition_key=)` on a queue of its own limits becomes."""
    queue = DBOS.register_queue("newer-partitions", worker_concurrency=10, partition_concurrency=1)
    running: dict[str, int] = {}
    order: list[tuple[str, int]] = []

    @DBOS.workflow()
    def acts(user, n):
        running[user] = running.get(user, 0) + 1
        assert running[user] == 1, "two of one user at once"
        order.append((user, n))
        running[user] -= 1
        return n

    handles = [queue.enqueue(acts, user, n, partition_key=user) for n in range(3) for user in "ab"]
    assert [handle.get_result() for handle in handles] == [0, 0, 1, 1, 2, 2]
    for user in "ab":
        assert [n for who, n in order if who == user] == [0, 1, 2]
    assert (queue.worker_concurrency, queue.partition_concurrency) == (10, 1)
    assert run_async(queue.get_worker_concurrency_async()) == 10


def test_the_interval_of_a_queues_polls_is_taken_and_means_nothing(dbos):
    queue = DBOS.register_queue("newer-polls", polling_interval_sec=5)
    queue.set_polling_interval_sec(2)
    assert queue.polling_interval_sec == 2 and run_async(queue.get_polling_interval_sec_async()) == 2


def test_a_client_that_is_told_never_to_leaves_a_queue_as_it_is(dbos, url):
    DBOS.register_queue("newer-kept", global_concurrency=3)
    with DBOSClient(system_database_url=url) as client:
        assert client.register_queue("newer-kept", global_concurrency=9, on_conflict="never_update").concurrency == 3
        assert client.register_queue("newer-kept", global_concurrency=9).concurrency == 9
        with pytest.raises(DBOSException, match="on_conflict"):
            client.register_queue("newer-kept", on_conflict="sometimes")


def test_a_forgotten_registry_has_nothing_and_says_that_it_changed():
    registry = Registry()
    registry.declare(SimpleNamespace(name="forgotten"))
    before = registry.changes
    registry.forget()
    assert registry.queues() == [] and registry.changes == before + 1
