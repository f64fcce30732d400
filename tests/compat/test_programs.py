"""Whole programs of DBOS's documents: they run after their import line was changed, on both databases."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, create_engine, text

from tests.support import wait_until

KEYS = {
    "the prompt's newer form": {},
    "the prompt's older form": {"system_database_url": "database_url", "DBOS_SYSTEM_DATABASE_URL": "DBOS_DATABASE_URL"},
}
REQUESTS = """
class _Answer:
    def __init__(self, **said): self.said = said
    def json(self): return self.said
def post(url, json): return _Answer(status="got " + json["data"])
def get(url): return _Answer(url=url)
"""
"""In place of the library, so that no program of a test asks the network."""


@contextmanager
def opened(address: str) -> Iterator[Connection]:
    """A transaction in the database of a program."""
    engine = create_engine(address.replace("postgresql://", "postgresql+psycopg://"))
    try:
        with engine.begin() as session:
            yield session
    finally:
        engine.dispose()


@pytest.mark.parametrize("key", KEYS)
def test_the_simple_example_runs(program, key):
    output = program("simple.py", **KEYS[key]).run()
    assert "Step one completed!\nStep two completed!\n" in output


def test_the_example_with_fastapi_serves(program):
    server = program("with_fastapi.py").start()
    assert server.get("/") == "null"
    assert "Step one completed!\nStep two completed!\n" in server.output
    assert server.interrupt() == 0


def test_the_example_with_queues_runs_its_steps_together(program):
    server = program("queues.py", **{"time.sleep(5)": "time.sleep(0.5)"}).start()
    server.get("/")
    assert "Successfully completed 10 steps" in server.output
    assert all(f"Step {n} completed!" in server.output for n in range(10))


def test_a_program_of_asyncio_launches_inside_its_loop(program):
    waiting = program("asyncio_only.py").start()
    waiting.until("launched")
    assert (waiting.folder / "dbos-app.sqlite").exists()


def test_a_program_of_schedules_blocks_for_ever_and_ticks(program):
    tick = "I am a scheduled workflow. It is currently 20"
    ticking = program("scheduled_only.py", **{'"* * * * *"': '"* * * * * *"'}).start()
    ticking.until(tick)
    assert wait_until(lambda: ticking.output.count(tick) > 1, 30), "it ticks on"
    assert ticking.process.poll() is None, "it goes on until somebody ends it"


def test_the_in_order_example_needs_no_configuration_and_is_launched_by_its_server(program):
    server = program("in_order.py")
    server.start(sys.executable, "-m", "uvicorn", "in_order:app", "--port", str(server.port))
    assert server.get("/events/one", method="POST") == "null"
    assert server.interrupt() == 0
    assert [path.name for path in server.folder.glob("*.sqlite")] == ["dbos-app.sqlite"]


def test_the_checkout_example_tells_its_caller_and_hears_of_the_payment(program):
    server = program("checkout.py").start()
    assert server.get("/checkout/key-1", method="POST") == "key-1"
    assert server.get("/checkout/key-1", method="POST") == "key-1"
    server.get("/payment_webhook/key-1/paid", method="POST")
    assert server.get("/result/key-1") == '"paid for"'


def test_the_json_serializer_example_runs(program):
    output = program("json_serializer.py").run()
    assert "[{'doubled': 8}, {'doubled': 10}, None, ['PENDING']]" in output
    assert "{'args': (4,), 'kwargs': {}} True" in output
    output = program("json_client.py").run()
    listed = "[{'doubled': 8}, {'doubled': 10}, None, ['PENDING']]"
    assert output.splitlines() == [f"{listed} {listed}", "{'args': (1,), 'kwargs': {}}"]


def test_a_client_works_from_another_process(program):
    app = program("client_app.py").start()
    app.until("ready")
    output = program("client.py").run()
    assert output.splitlines() == [
        "started", "{'task': {'id': 1}, 'go': 'now'}", "['one', 'two']", "['SUCCESS']"
    ]  # fmt: skip


def test_dbos_may_be_configured_in_the_main_function(program, address):
    assert "DBOS launched" in program("main_function.py").run()
    with opened(address) as session:
        [known] = session.execute(text("select definitions from durable_executor")).scalars()
    assert "my_workflow" in known, "what was decorated before the configuration runs where that says"


def test_the_guides_application_structure_runs(program, tmp_path):
    (tmp_path / "requests.py").write_text(REQUESTS)
    assert "got hello" in program("application_structure.py").run()


def test_the_guides_class_based_workflow_runs(program, tmp_path):
    (tmp_path / "requests.py").write_text(REQUESTS)
    assert "{'transformed': {'url': 'https://api.example.com/data'}}" in program("class_based.py").run()


def test_the_guides_fastapi_program_serves(program):
    server = program("guide_fastapi.py").start()
    assert server.get("/orders/7", method="POST") == '{"order_id":"7","status":"processed"}'
    assert server.get("/orders/7/status") == "null"


@pytest.mark.parametrize("name", ["testing.py", "guide_testing.py"])
def test_the_fixtures_for_tests_give_each_test_an_empty_database(program, name):
    tests = program(name)
    output = tests.run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", name)
    assert "2 passed" in output


def test_transactions_use_sqlalchemy_where_the_program_does(program):
    assert "['hello', 'hi', None]" in program("transactions.py").run()


def test_transactions_with_fastapi_count_what_they_inserted(program, address):
    program("schema.py")
    server = program("transactions_with_fastapi.py").start()
    server.until("startup complete")
    with opened(address) as session:
        session.execute(text("create table example_table (id integer, name text)"))
    assert [server.get("/"), server.get("/")] == ["null", "null"]
    assert "Row count: 1" in server.output and "Row count: 2" in server.output


def test_transactions_may_use_djangos_connection_instead(program):
    assert "hello" in program("django_transactions.py").run()
