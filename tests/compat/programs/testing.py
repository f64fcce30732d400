# ruff: noqa
# fmt: off
import os
import pytest
from dbos import DBOS, DBOSConfig

@DBOS.step()
def my_step():
    return 1

@DBOS.workflow()
def my_workflow():
    return my_step() + 1

@pytest.fixture()
def reset_dbos():
    DBOS.destroy()
    config: DBOSConfig = {
        "name": "my-app",
        "database_url": os.environ.get("TESTING_DATABASE_URL"),
    }
    DBOS(config=config)
    DBOS.reset_system_database()
    DBOS.launch()

@pytest.mark.parametrize("time", [1, 2])
def test_my_workflow(reset_dbos, time):
    assert my_workflow() == 2
    assert len(DBOS.list_workflows()) == 1
