"""Methods as workflows and steps: on which instance or class they run, and how that is found again."""

from __future__ import annotations

import threading

import pytest

import durable
from durable.errors import ImproperUse, InvalidOption, SerializationError, WorkflowConflict
from durable.executor import Executor
from durable.models import Step, Workflow
from durable.registry import registry
from tests.app.models import Effect
from tests.support import run_async, wait_until


@durable.workflow_class
class Box(durable.ConfiguredInstance):
    """One with every kind of method."""

    unit = "kg"

    def __init__(self, name, weight):
        self.weight = weight
        super().__init__(name)

    @durable.step(name="classes.add")
    def add(self, more):
        return self.weight + more

    @durable.step(name="classes.aadd")
    async def aadd(self, more):
        return self.weight + more

    @durable.transaction(name="classes.book")
    def book(self, key):
        Effect.objects.create(key=f"{self.config_name} {key}")
        return self.weight

    @durable.workflow(name="classes.weigh")
    def weigh(self, more=0):
        return f"{self.add(more)} {self.unit}"

    @durable.workflow(name="classes.aweigh")
    async def aweigh(self, more=0):
        return f"{await self.aadd(more)} {self.unit}"

    @durable.workflow(name="classes.waits")
    def waits(self):
        first = self.add(0)
        durable.recv("go on")
        return [first, self.add(1)]

    @durable.workflow(name="classes.awaits")
    async def awaits(self):
        first = await self.aadd(0)
        await durable.arecv("go on")
        return [first, await self.aadd(1)]

    @durable.workflow(name="classes.begets")
    def begets(self):
        return [self.weigh(1), self.weigh.start(2).get_result(), type(self).of(3), self.book("b")]

    @classmethod
    @durable.workflow(name="classes.of")
    def of(cls, n):
        return f"{n} of {cls.__name__} in {cls.measure(n)}"

    @classmethod
    @durable.workflow(name="classes.aof")
    async def aof(cls, n):
        return f"{n} of {cls.__name__}"

    @classmethod
    @durable.step(name="classes.measure")
    def measure(cls, n):
        return cls.unit * n

    @staticmethod
    @durable.workflow(name="classes.double")
    def double(n):
        return n * 2

    @staticmethod
    @durable.step(name="classes.half")
    def half(n):
        return n / 2


one, two = Box("one", 10), Box("two", 20)


class Crate(Box):
    """Inherits the workflows, and the steps that it does not change."""

    unit = "lb"

    @durable.step(name="classes.crate_add")
    def add(self, more):
        return super().add(more) * 2


crate = Crate("one", 5)


def row(workflow_id: str) -> Workflow:
    return Workflow.objects.get(pk=workflow_id)


# --- each kind of method, in each way


def test_methods_run_on_their_instance(executor):
    assert one.weigh(1) == "11 kg"
    assert two.weigh.start(2).get_result(timeout=10) == "22 kg"
    assert durable.start_workflow(two.weigh, more=3).get_result(timeout=10) == "23 kg"
    assert durable.Queue("classes").enqueue(one.weigh).get_result(timeout=10) == "10 kg"
    assert one.weigh.using(workflow_id="weighs-one")() == "10 kg"
    found = row("weighs-one")
    assert (found.class_name, found.config_name, found.name) == ("Box", "one", "classes.weigh")
    assert found.load_input() == {"args": [], "kwargs": {}}  # the instance is none of them


def test_methods_of_coroutines_run_on_their_instance(executor):
    async def main():
        started = await two.aweigh.astart(2)
        queued = await durable.Queue("classes").aenqueue(one.aweigh, 3)
        return [await one.aweigh(1), await started.aget_result(timeout=10), await queued.aget_result(timeout=10)]

    assert run_async(main()) == ["11 kg", "22 kg", "13 kg"]


def test_methods_of_classes_run_on_their_class(executor):
    assert Box.of(2) == "2 of Box in kgkg"
    assert Box.of.start(1).get_result(timeout=10) == "1 of Box in kg"
    assert durable.start_workflow(Box.of, 3).get_result(timeout=10) == "3 of Box in kgkgkg"
    assert run_async(Box.aof(1)) == "1 of Box"
    assert set(Workflow.objects.values_list("class_name", "config_name")) == {("Box", None)}


def test_static_methods_need_neither(executor):
    assert (Box.double(2), one.double(3)) == (4, 6)
    assert Box.double.start(4).get_result(timeout=10) == 8
    assert set(Workflow.objects.values_list("class_name", "config_name")) == {(None, None)}


def test_steps_of_methods_start_by_themselves(executor):
    assert durable.start_workflow(one.add, 1).get_result(timeout=10) == 11
    assert durable.start_workflow(two.aadd, 1).get_result(timeout=10) == 21
    assert durable.start_workflow(two.book, "b").get_result(timeout=10) == 20
    assert durable.start_workflow(Box.measure, 2).get_result(timeout=10) == "kgkg"
    assert durable.start_workflow(Box.half, 4).get_result(timeout=10) == 2
    assert durable.Queue("classes").enqueue(one.add, 5).get_result(timeout=10) == 15
    assert Effect.objects.get().key == "two b"


def test_steps_of_methods_are_plain_calls_outside_workflows(database):
    assert (one.add(1), Box.measure(1), Box.half(2), run_async(two.aadd(1))) == (11, "kg", 1, 21)
    assert not Workflow.objects.exists()


def test_a_method_calls_and_starts_others_of_its_instance(executor):
    handle = one.begets.start()
    assert handle.get_result(timeout=10) == ["11 kg", "12 kg", "3 of Box in kgkgkg", 10]
    children = Workflow.objects.filter(parent=handle.workflow_id).values_list("name", "class_name", "config_name")
    assert sorted(children, key=str) == [
        ("classes.of", "Box", None), ("classes.weigh", "Box", "one"), ("classes.weigh", "Box", "one"),
    ]  # fmt: skip
    kinds = Step.objects.filter(workflow_id=handle.workflow_id).values_list("kind", flat=True)
    assert [*kinds] == ["child", "result", "child", "result", "child", "result", "transaction"]


# --- a subclass


def test_a_subclass_inherits_workflows_and_changes_their_steps(executor):
    assert crate.weigh(1) == "12 lb"
    assert crate.weigh.start(2).get_result(timeout=10) == "14 lb"
    assert set(Workflow.objects.values_list("class_name", "config_name")) == {("Crate", "one")}


def test_class_methods_of_a_subclass_need_its_own_mark(executor):
    with pytest.raises(ImproperUse, match=r"decorate it @durable\.workflow_class"):
        Crate.of(1)

    @durable.workflow_class
    class Case(Box):
        unit = "st"

    assert Case.of(1) == "1 of Case in st"
    assert Case.of.start(2).get_result(timeout=10) == "2 of Case in stst"


# --- found again


METHODS = pytest.mark.parametrize("method", ["waits", "awaits"], ids=["thread", "coroutine"])


@METHODS
def test_a_replay_runs_on_the_instance_of_that_name(executor, method):
    handles = [getattr(each, method).start() for each in (one, two, crate)]
    wait_until(lambda: Workflow.objects.filter(waiting_for="message:go on").count() == 3)
    for handle in handles:
        durable.send(handle.workflow_id, 1, "go on")
    # the subclass has another `add`, and the same `aadd`
    assert durable.gather(handles) == [[10, 11], [20, 21], [10, 12] if method == "waits" else [5, 6]]


@METHODS
def test_another_process_goes_on_with_its_own_instance_of_that_name(database, monkeypatch, method):
    first = Executor().start()
    handle = getattr(one, method).start()
    wait_until(lambda: row(handle.workflow_id).waiting_for == "message:go on")
    first.stop()
    monkeypatch.setattr(registry, "_instances", {})
    Box("one", 1000)  # as that process makes it, from newer settings
    second = Executor().start()
    durable.send(handle.workflow_id, 1, "go on")
    assert handle.get_result(timeout=10) == [10, 1001]
    second.drain(1)


gate = threading.Event()


class Holder(durable.ConfiguredInstance):
    @durable.workflow(name="classes.hold")
    def hold(self):
        self.hold_step()
        return self.config_name

    @durable.step(name="classes.hold_step")
    def hold_step(self):
        Effect.objects.create(key="held")
        assert gate.wait(20)


holder = Holder("held")


def test_after_a_crash_in_the_middle_of_a_method_its_instance_is_found(database, monkeypatch):
    monkeypatch.setattr("durable.executor.executor.STOP_SECONDS", 0)
    gate.clear()
    first = Executor().start()
    handle = holder.hold.start()
    wait_until(lambda: Effect.objects.exists())
    first.stop()  # without letting go of what it runs
    second = Executor().start()
    wait_until(lambda: Effect.objects.count() == 2)
    gate.set()
    assert handle.get_result(timeout=10) == "held"
    assert row(handle.workflow_id).recovery_attempts == 1
    second.drain(1)


@pytest.mark.parametrize("begun", [False, True], ids=["not begun", "in the middle"])
def test_a_workflow_whose_instance_is_missing_waits_visibly_and_goes_on_when_it_is_made(database, monkeypatch, begun):
    if begun:
        first = Executor().start()
        handle = one.waits.start()
        wait_until(lambda: row(handle.workflow_id).waiting_for == "message:go on")
        first.drain(1)
        durable.send(handle.workflow_id, 1, "go on")
    else:
        handle = one.weigh.start()
    monkeypatch.setattr(registry, "_instances", {})
    executor = Executor().start()
    wait_until(lambda: (row(handle.workflow_id).waiting_for or "").startswith("executor:"))
    found = row(handle.workflow_id)
    assert found.waiting_for == ("executor:classes.waits" if begun else "executor:classes.weigh")
    assert (found.phase.key, found.executor, found.recovery_attempts) == ("unserved", None, 0)
    Box("two", 0)  # another one does not help
    wait_until(lambda: executor._registered == registry.changes)
    wait_until(lambda: (row(handle.workflow_id).waiting_for or "").startswith("executor:"))
    Box("one", 10)
    assert handle.get_result(timeout=10) == ([10, 11] if begun else "10 kg")
    executor.drain(1)


def test_a_class_under_a_name_of_its_own_is_found_by_that(executor, monkeypatch):
    @durable.workflow_class(name="classes.named")
    class Anything(durable.ConfiguredInstance):
        @durable.workflow(name="classes.names_itself")
        def names_itself(self):
            durable.recv("go on")
            return self.config_name

        @classmethod
        @durable.workflow(name="classes.names_class")
        def names_class(cls):
            return cls.__name__

    handle = Anything("x").names_itself.start()
    wait_until(lambda: row(handle.workflow_id).waiting_for == "message:go on")
    durable.send(handle.workflow_id, 1, "go on")
    assert handle.get_result(timeout=10) == "x"
    assert Anything.names_class.start().get_result(timeout=10) == "Anything"
    assert set(Workflow.objects.values_list("class_name", flat=True)) == {"classes.named"}


# --- clear errors


def test_a_name_that_the_class_has_in_use_is_refused():
    with pytest.raises(ImproperUse, match="There is a Box with config_name 'one' already"):
        Box("one", 1)
    assert registry.receiver("Box", "one") is one


def test_two_classes_of_one_name_are_refused():
    def make(module):
        return type("Box", (durable.ConfiguredInstance,), {"__module__": module, "__qualname__": "Box"})

    with pytest.raises(ImproperUse, match=r"Two classes are named 'Box': .*test_classes\.Box and another\.Box"):
        durable.workflow_class(make("another"))
    with pytest.raises(ImproperUse, match="Give one another name"):
        make("another")("one")
    assert registry.receiver("Box", None) is Box
    assert registry.receiver("Box", "one") is one


def test_a_module_that_is_imported_again_takes_its_own_place(database, monkeypatch):
    monkeypatch.setattr(registry, "_instances", dict(registry._instances))
    monkeypatch.setattr(registry, "_classes", dict(registry._classes))
    again = type("Box", (Box,), {"__module__": Box.__module__, "__qualname__": "Box"})
    instance = durable.workflow_class(again)("one", 1)
    assert instance.weigh() == "1 kg"
    with pytest.raises(ImproperUse, match="could not be found again"):
        one.weigh()  # the one from before is no longer the one of that name


@pytest.mark.parametrize("wrong", ["", " ", None, 7])
def test_a_name_that_is_none_is_refused(wrong):
    with pytest.raises(InvalidOption, match="config_name"):
        Box(wrong, 1)


class Plain:
    @durable.workflow(name="classes.plain")
    def run(self):
        return 1

    @classmethod
    @durable.workflow(name="classes.plain_class")
    def of(cls):
        return 1


class Forgetful(durable.ConfiguredInstance):
    def __init__(self):
        self.config_name = "never registered"

    @durable.workflow(name="classes.forgetful")
    def run(self):
        return 1


@pytest.mark.parametrize("instance", [Plain, Forgetful])
def test_an_instance_that_could_not_be_found_again_is_refused_before_anything_is_stored(database, instance):
    method = instance().run
    for begin in (method, method.start, lambda: durable.start_workflow(method)):
        with pytest.raises(ImproperUse, match=rf"method of {instance.__name__}, .* ConfiguredInstance.*super"):
            begin()
    assert not Workflow.objects.exists()


def test_a_class_that_could_not_be_found_again_is_refused_too(database):
    for begin in (lambda: Plain.of(), lambda: durable.start_workflow(Plain.of)):
        with pytest.raises((ImproperUse, SerializationError)):
            begin()
    assert not Workflow.objects.exists()


def test_a_method_without_its_instance_is_refused(database):
    with pytest.raises((TypeError, SerializationError)):
        Box.weigh(one, 1)
    with pytest.raises(TypeError):
        one.weigh(1, 2, 3)
    assert not Workflow.objects.exists()


@pytest.mark.parametrize("outer", [durable.workflow(), durable.step(), durable.transaction()], ids=["w", "s", "t"])
@pytest.mark.parametrize("inner", [classmethod, staticmethod])
def test_decorators_in_the_wrong_order_are_refused_with_the_right_one(outer, inner):
    with pytest.raises(InvalidOption, match=f"put @{inner.__name__} above @durable"):
        outer(inner(lambda: 1))


def test_an_id_belongs_to_one_instance(executor):
    one.weigh.using(workflow_id="weighs")()
    with pytest.raises(WorkflowConflict, match=r"'Box.one.classes.weigh', not 'Box.two.classes.weigh'"):
        two.weigh.using(workflow_id="weighs")()
    with pytest.raises(WorkflowConflict, match=r"not 'Crate.one.classes.weigh'"):
        crate.weigh.using(workflow_id="weighs").start()
    with pytest.raises(WorkflowConflict, match=r"not 'Box.classes.of'"):
        Box.of.using(workflow_id="weighs").start(1)
    assert one.weigh.using(workflow_id="weighs")() == "10 kg"
