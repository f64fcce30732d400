"""Methods as workflows and steps, and roles."""

from __future__ import annotations

import contextvars

import pytest

from durable.compat.dbos import DBOS, DBOSConfiguredInstance, DBOSContextSetAuth, Queue
from durable.compat.dbos.error import DBOSException, DBOSNotAuthorizedError


@DBOS.dbos_class()
class URLFetcher(DBOSConfiguredInstance):
    def __init__(self, url: str):
        self.url = url
        super().__init__(config_name=url)

    @DBOS.workflow()
    def fetch_workflow(self):
        return self.fetch_url()

    @DBOS.workflow()
    async def async_workflow(self, more: str):
        return self.fetch_url() + more

    @DBOS.step()
    def fetch_url(self):
        return f"content of {self.url}"

    @staticmethod
    @DBOS.workflow()
    def static_workflow(n):
        return n

    @classmethod
    @DBOS.workflow()
    def class_workflow(cls, n):
        return [cls.__name__, n]


example_fetcher = URLFetcher("https://example.com")
other_fetcher = URLFetcher("https://example.org")


@DBOS.dbos_class(name="renamed")
class Named(DBOSConfiguredInstance):
    @DBOS.workflow()
    def who(self):
        return self.config_name


named = Named("one")


@DBOS.default_required_roles(["user"])
@DBOS.dbos_class()
class Guarded:
    @staticmethod
    @DBOS.workflow()
    def tfunc(value):
        return [DBOS.authenticated_user, DBOS.authenticated_roles, DBOS.assumed_role, value]

    @staticmethod
    @DBOS.required_roles(["engineer"])
    @DBOS.workflow()
    def for_engineers():
        return DBOS.assumed_role

    @staticmethod
    @DBOS.required_roles([])
    @DBOS.workflow()
    def for_all():
        return "anybody"


def test_methods_of_instances_run_on_their_instance(dbos):
    queue = Queue("compat-methods")
    assert example_fetcher.fetch_workflow() == "content of https://example.com"
    handle = DBOS.start_workflow(other_fetcher.fetch_workflow)
    assert handle.get_result() == "content of https://example.org"
    status = handle.get_status()
    assert (status.name, status.class_name, status.config_name) == (
        "URLFetcher.fetch_workflow", "URLFetcher", "https://example.org"
    )  # fmt: skip
    assert status.input == {"args": (), "kwargs": {}}
    assert queue.enqueue(example_fetcher.async_workflow, "!").get_result() == "content of https://example.com!"
    assert queue.enqueue(example_fetcher.fetch_url).get_result() == "content of https://example.com"
    assert named.who() == "one" and DBOS.list_workflows(name="Named.who")[0].class_name == "renamed"


def test_methods_of_classes_and_static_ones_run(dbos):
    assert URLFetcher.static_workflow(1) == example_fetcher.static_workflow(1) == 1
    assert URLFetcher.class_workflow(2) == ["URLFetcher", 2]
    assert DBOS.start_workflow(URLFetcher.class_workflow, 3).get_result() == ["URLFetcher", 3]
    assert DBOS.start_workflow(URLFetcher.static_workflow, 4).get_result() == 4


def test_a_name_belongs_to_one_instance():
    with pytest.raises(DBOSException, match=r"example\.com"):
        URLFetcher("https://example.com")


def test_roles_are_asked_for_and_assumed(dbos):
    without = "requires a role, but was called in a context without authentication information"
    other = "has required roles, but user is not authenticated for any of them"
    with pytest.raises(DBOSNotAuthorizedError) as denied:
        Guarded.tfunc(1)
    assert str(denied.value) == f"DBOS Error 8: Function tfunc {without}"
    with DBOSContextSetAuth("ada", ["guest"]), pytest.raises(DBOSNotAuthorizedError) as denied:
        Guarded.tfunc(1)
    assert str(denied.value) == f"DBOS Error 8: Function tfunc {other}"
    assert [each.status for each in DBOS.list_workflows()] == ["ERROR", "ERROR"]
    with DBOSContextSetAuth("ada", ["guest", "user"]):
        assert Guarded.tfunc(1) == ["ada", ["guest", "user"], "user", 1]
        handle = DBOS.start_workflow(Guarded.tfunc, 2)
        with pytest.raises(DBOSNotAuthorizedError):
            Guarded.for_engineers()
    assert handle.get_result() == ["ada", ["guest", "user"], "user", 2]
    status = handle.get_status()
    assert (status.authenticated_user, status.authenticated_roles, status.assumed_role) == (
        "ada", ["guest", "user"], "user"
    )  # fmt: skip
    with DBOSContextSetAuth("grace", ["engineer"]):
        assert Guarded.for_engineers() == "engineer"
    assert Guarded.for_all() == "anybody"
    assert DBOS.authenticated_user is None


def test_an_authentication_is_set_for_what_follows(dbos):
    def follows():
        DBOS.set_authentication("ada", ["user"])
        return Guarded.tfunc(1)

    assert contextvars.copy_context().run(follows)[0] == "ada"
    assert DBOS.authenticated_user is None


def test_a_step_may_ask_for_a_role_too(dbos):
    @DBOS.required_roles(["admin"])
    @DBOS.step()
    def guarded_step():
        return "done"

    @DBOS.workflow()
    def calls_guarded():
        try:
            return guarded_step()
        except DBOSNotAuthorizedError as error:
            return error.status_code

    assert calls_guarded() == 403
    with DBOSContextSetAuth("root", ["admin"]):
        assert calls_guarded() == "done"
