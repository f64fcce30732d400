# ruff: noqa
# fmt: off
import pytest
from dbos import DBOS, DBOSConfig

@DBOS.workflow()
def my_workflow(text):
    return "expected_output"

@pytest.fixture()
def dbos_test():
    DBOS.destroy()
    config: DBOSConfig = {"name": "test-app"}
    DBOS(config=config)
    DBOS.reset_system_database()
    DBOS.launch()
    yield
    DBOS.destroy()

def test_workflow(dbos_test):
    result = my_workflow("test_input")
    assert result == "expected_output"

def test_it_begins_with_nothing(dbos_test):
    assert DBOS.list_workflows() == []
