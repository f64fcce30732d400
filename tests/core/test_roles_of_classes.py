"""Roles that a whole class asks for."""

from __future__ import annotations

import pytest

import durable
from durable.errors import NotAuthorized
from durable.executor import Executor
from durable.registry import registry


def make_office(order: str):
    """A class whose methods need the role of a boss, unless they name another."""

    class Office(durable.ConfiguredInstance):
        @durable.workflow(name=f"roles.{order}.opens")
        def opens(self):
            return durable.assumed_role()

        @durable.required_roles(["cleaner"])
        @durable.workflow(name=f"roles.{order}.cleans")
        def cleans(self):
            return durable.assumed_role()

        @durable.step(name=f"roles.{order}.signs")
        def signs(self):
            return "signed"

        @classmethod
        @durable.workflow(name=f"roles.{order}.of")
        def of(cls):
            return [cls.__name__, durable.assumed_role()]

        @durable.required_roles(["cleaner"])
        @classmethod
        @durable.workflow(name=f"roles.{order}.cleans_of")
        def cleans_of(cls):
            return [cls.__name__, durable.assumed_role()]

        @staticmethod
        @durable.workflow(name=f"roles.{order}.static")
        def static():
            return durable.assumed_role()

        @classmethod
        @durable.step(name=f"roles.{order}.of_step")
        def of_step(cls):
            return cls.__name__

        def talks(self):
            return "anybody may"

    Office.__qualname__ = f"Office {order}"
    guard, mark = durable.default_required_roles(["boss"]), durable.workflow_class(name=f"roles.{order}")
    return guard(mark(Office)) if order == "guard above" else mark(guard(Office))


@pytest.fixture(params=["guard above", "guard below"])
def office(request, monkeypatch):
    for table in ("_definitions", "_classes", "_instances"):
        monkeypatch.setattr(registry, table, dict(getattr(registry, table)))
    return make_office(request.param)


def test_every_workflow_and_step_of_a_class_is_guarded(database, office):
    one = office("one")
    executor = Executor().start()
    methods = {
        "opens": (one.opens, "boss"),
        "signs": (one.signs, "signed"),
        "of": (office.of, ["Office", "boss"]),
        "static": (office.static, "boss"),
        "of_step": (office.of_step, "Office"),
    }
    for method, expected in methods.values():
        for begin in (method, lambda: durable.start_workflow(method).get_result(timeout=10)):  # noqa: B023
            with durable.SetAuthentication("ann", ["cook"]), pytest.raises(NotAuthorized, match="roles boss"):
                begin()
            with durable.SetAuthentication("ann", ["boss"]):
                assert begin() == expected
    executor.drain(1)


def test_a_method_that_names_its_own_roles_keeps_them_and_others_stay_free(database, office):
    one = office("one")
    assert one.talks() == "anybody may"
    with durable.SetAuthentication("ann", ["cleaner"]):
        assert (one.cleans(), office.cleans_of()) == ("cleaner", ["Office", "cleaner"])
    with durable.SetAuthentication("ann", ["boss"]):
        for method in (one.cleans, office.cleans_of):
            with pytest.raises(NotAuthorized, match="roles cleaner"):
                method()
