"""FastAPI, Flask and other servers."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from flask import Flask

from durable.compat.dbos import DBOS, DBOSContextSetAuth, SetWorkflowID


@DBOS.workflow()
def compat_of_the_web() -> str | None:
    return DBOS.workflow_id


@pytest.fixture
def after(database):
    yield
    DBOS.destroy()


def test_a_fastapi_application_launches_with_its_server_and_ends_with_it(after):
    app = FastAPI()
    DBOS(config={"name": "compat", "log_level": "WARNING"}, fastapi=app)

    @app.get("/sync")
    @DBOS.workflow()
    def synchronous(n: int = 1) -> list[str | int | None]:
        return [n, DBOS.workflow_id]

    @app.get("/async/{text}")
    @DBOS.workflow()
    async def asynchronous(text: str) -> dict[str, str | None]:
        await DBOS.sleep_async(0.001)
        return {"text": text, "id": DBOS.workflow_id}

    @app.get("/guarded")
    @DBOS.required_roles(["admin"])
    @DBOS.workflow()
    def guarded():
        return "in"

    assert not DBOS.is_launched()
    with TestClient(app) as client:
        assert DBOS.is_launched()
        assert client.get("/sync?n=3").json()[0] == 3
        named = client.get("/async/words", headers={"dbos-workflow-id": "from-a-header"})
        assert named.json() == {"text": "words", "id": "from-a-header"}
        assert client.get("/async/").status_code == 404
        denied = client.get("/guarded")
        assert denied.status_code == 403 and denied.json()["dbos_error_code"] == 8
    assert not DBOS.is_launched()


def test_a_flask_application_reads_the_header(after):
    app = Flask("compat")
    DBOS(config={"name": "compat", "log_level": "WARNING"}, flask=app)
    DBOS.launch()

    @app.get("/")
    def index():
        with DBOSContextSetAuth("ada", ["user"]):
            return compat_of_the_web()

    assert app.test_client().get("/", headers={"dbos-workflow-id": "by-flask"}).text == "by-flask"
    assert DBOS.get_workflow_status("by-flask").authenticated_user == "ada"


def test_there_is_one_instance(after):
    first = DBOS(config={"name": "compat", "log_level": "WARNING"})
    assert DBOS(config={"name": "another"}) is first is DBOS()
    first.launch()
    DBOS.launch()  # a second time changes nothing
    with SetWorkflowID("one"):
        assert first.start_workflow(compat_of_the_web).get_result() == "one"
