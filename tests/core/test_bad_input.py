"""What cannot work is said clearly, and nothing is lost or half stored."""

from __future__ import annotations

import pytest

import durable
from durable.errors import DatabaseAway, InvalidOption, PayloadTooLarge, SerializationError
from durable.executor import Executor
from durable.models import Now, Workflow
from tests.app import workflows as app


def test_an_input_that_cannot_be_stored_is_refused_before_anything_is(database):
    with pytest.raises(SerializationError, match=r"object cannot be stored as JSON at \$\.args\[0\]"):
        app.total.start(object())
    with pytest.raises(SerializationError):
        app.total(object())
    assert not Workflow.objects.exists()


def test_arguments_that_do_not_fit_are_refused_before_anything_is_stored(database):
    with pytest.raises(TypeError, match="missing a required argument: 'n'"):
        app.total.start()
    with pytest.raises(TypeError, match="unexpected keyword argument 'm'"):
        app.limited.enqueue(app.total, 1, m=2)
    assert not Workflow.objects.exists()


def test_a_payload_that_is_too_large_is_refused(database, settings):
    settings.DURABLE = {**settings.DURABLE, "MAX_PAYLOAD_BYTES": 2000}
    with pytest.raises(PayloadTooLarge, match=r"exceeds MAX_PAYLOAD_BYTES = 2,000"):
        app.fails.start("x" * 3000)
    assert not Workflow.objects.exists()


@pytest.mark.parametrize("blank", ["", "   ", "a\x00b", 7])
def test_an_impossible_id_is_refused(database, blank):
    with pytest.raises(InvalidOption, match="workflow_id"):
        app.total.using(workflow_id=blank)
    with pytest.raises(InvalidOption):
        durable.SetWorkflowID(blank)


@pytest.mark.parametrize("text", ["no json", '{"$":"no such tag","v":1}', "[]"])
def test_an_input_that_cannot_be_read_ends_in_an_error_that_says_so(executor, text):
    Workflow.objects.create(id="w", name="total", input=text, run_after=Now())
    with pytest.raises(Exception):  # noqa: B017  its class is what could not be read
        durable.retrieve_workflow("w").get_result(timeout=10)
    row = Workflow.objects.get(pk="w")
    assert row.status == "ERROR" and row.error_type and row.error
    assert app.total.start(3).get_result(timeout=10) == 3  # the neighbours go on


@durable.workflow()
def returns_an_object():
    return object()


def test_an_output_that_cannot_be_stored_ends_the_workflow_in_an_error_that_says_why(executor):
    with pytest.raises(SerializationError, match="object cannot be stored"):
        returns_an_object.start().get_result(timeout=10)
    assert Workflow.objects.get().error_type == "SerializationError"


def test_a_database_that_is_away_at_start_says_which_and_what_to_do(database, monkeypatch):
    from django.db import OperationalError, connections

    def refuse(*args, **kwargs):
        raise OperationalError("connection refused")

    with monkeypatch.context() as away:
        away.setattr(type(connections["default"]), "ensure_connection", refuse)
        with pytest.raises(DatabaseAway, match="'default' cannot be reached: connection refused"):
            Executor().start()
