import asyncio, time, datetime
import pytest
import durable
from durable import executor as engine
from durable.models import *
from tests.support import wait_until, run_async

@durable.step(name="lead_echo")
def echo(x): return x

@durable.workflow(name="lead_napper")
def napper(seconds):
    durable.sleep(seconds); return "slept"

@durable.workflow(name="lead_parent")
def parent():
    h = napper.start(100)
    durable.sleep(100)

def test_timeout_cancels_parent_and_child(executor):
    h = parent.using(timeout=0.5).start()
    with pytest.raises(durable.errors.WorkflowWasCancelled):
        h.get_result(timeout=5)
    child = Workflow.objects.get(parent=h.workflow_id)
    wait_until(lambda: Workflow.objects.get(pk=child.pk).status == "CANCELLED")

def test_direct_timeout(database):
    with durable.SetWorkflowTimeout(0.3), pytest.raises(durable.errors.WorkflowWasCancelled):
        napper(50)

def test_dedup(executor):
    q = durable.Queue("lead_dd")
    with durable.SetEnqueueOptions(dedup_id="a"):
        h = q.enqueue(napper, 30)
        with pytest.raises(durable.errors.QueueDeduplicated):
            q.enqueue(napper, 30)
    with durable.SetEnqueueOptions(dedup_id="a", dedup_policy="return-existing"):
        assert q.enqueue(napper, 30).workflow_id == h.workflow_id
    with durable.SetWorkflowID(h.workflow_id, policy="reject"):
        with pytest.raises(durable.errors.WorkflowIdInUse):
            napper.start(1)

@durable.workflow_class
class Box(durable.ConfiguredInstance):
    def __init__(self, name, n):
        self.n = n
        super().__init__(name)
    @durable.step(name="lead_box_step")
    def add(self, x): return self.n + x
    @durable.workflow(name="lead_box")
    def run(self, x): return self.add(x)
    @classmethod
    @durable.workflow(name="lead_box_cls")
    def on(cls, x): return cls.__name__ + x
    @staticmethod
    @durable.workflow(name="lead_box_static")
    def stat(x): return x * 2

box = Box("one", 10)

def test_classes(executor):
    assert box.run(1) == 11
    assert box.run.start(2).get_result(timeout=5) == 12
    assert durable.start_workflow(box.run, 3).get_result(timeout=5) == 13
    assert durable.start_workflow(box.add, 3).get_result(timeout=5) == 13
    assert Box.on("x") == "Boxx"
    assert durable.start_workflow(Box.on, "y").get_result(timeout=5) == "Boxy"
    assert Box.stat(2) == 4 and Box.stat.start(3).get_result(timeout=5) == 6

@durable.workflow(name="lead_stream")
def streamer(n):
    for i in range(n): durable.write_stream("s", i)
    durable.close_stream("s")
    return n

@durable.workflow(name="lead_stream_reader")
def reader(id):
    return list(durable.read_stream(id, "s"))

def test_streams(executor):
    h = streamer.start(5)
    assert list(durable.read_stream(h.workflow_id, "s")) == [0,1,2,3,4]
    assert reader.start(h.workflow_id).get_result(timeout=5) == [0,1,2,3,4]
    async def main():
        return [v async for v in durable.aread_stream(h.workflow_id, "s", offset=2)]
    assert run_async(main()) == [2,3,4]

@durable.workflow(name="lead_slow_stream")
def slow():
    for i in range(3):
        durable.recv("go")
        durable.write_stream("s", i)
    durable.recv("go")

def test_parked_reader(executor, settings):
    h = slow.start(); r = reader.start(h.workflow_id)
    wait_until(lambda: Workflow.objects.get(pk=r.workflow_id).waiting_for)
    for i in range(4): durable.send(h.workflow_id, 1, "go"); time.sleep(0.2)
    assert r.get_result(timeout=5) == [0,1,2]

def test_partitions(executor):
    q = durable.Queue("lead_part", partition_queue=True, concurrency=1)
    hs = []
    for i in range(12):
        with durable.SetEnqueueOptions(partition_key=f"p{i%3}"):
            hs.append(q.enqueue(echo, i))
    assert [h.get_result(timeout=10) for h in hs] == list(range(12))
    with pytest.raises(durable.errors.InvalidOption): q.enqueue(echo, 1)

def test_debounce(executor):
    d = durable.Debouncer.create(napper, debounce_timeout_sec=5)
    a = d.debounce("k", 0.3, 0.01); b = d.debounce("k", 0.3, 0.02)
    assert a.workflow_id == b.workflow_id
    assert a.get_result(timeout=5) == "slept"
    assert d.debounce("k", 0.1, 0.01).workflow_id != a.workflow_id

def test_many(executor):
    q = durable.Queue("lead_many")
    hs = q.enqueue_many(echo, range(50))
    assert durable.gather(hs) == list(range(50))

def test_roles(executor):
    with durable.SetAuthentication("bob", ["admin"]):
        assert guardedwf() == ("bob", "admin")
    with pytest.raises(durable.errors.NotAuthorized): guardedwf()

@durable.required_roles(["admin"])
@durable.workflow(name="lead_guarded")
def guardedwf():
    from durable import current
    return current.authenticated_user(), current.assumed_role()

def test_attributes(executor):
    with durable.SetWorkflowAttributes({"a": 1}):
        h = napper.start(0.01)
    durable.update_workflow_attributes(h.workflow_id, {"b": 2}, merge=True)
    assert Workflow.objects.get(pk=h.workflow_id).attributes == {"a": 1, "b": 2}

def test_queue_rows(executor):
    durable.register_queue("lead_live", concurrency=2)
    durable.set_queue_limits("lead_live", concurrency=None)
    row = durable.retrieve_queue("lead_live")
    assert row.declared["concurrency"] == 2 and row.concurrency is None
    durable.clear_queue_limits("lead_live")
    assert durable.retrieve_queue("lead_live").concurrency == 2
    durable.pause_queue("lead_live")
    h = durable.start_by_name("lead_napper", (0.01,), queue="lead_live")
    durable.resume_queue("lead_live")
    assert h.get_result(timeout=5) == "slept"

@durable.step(name="lead_async_slow", timeout_seconds=0.1)
async def aslow(): await asyncio.sleep(5)
@durable.step(name="lead_async_pre", preemptible=True)
async def apre(): await asyncio.sleep(50)
@durable.workflow(name="lead_aslow")
async def aslow_wf(): await aslow()
@durable.workflow(name="lead_apre")
async def apre_wf():
    await apre()

def test_step_timeouts(executor):
    with pytest.raises(durable.errors.StepTimeout): aslow_wf.start().get_result(timeout=5)
    h = apre_wf.start()
    wait_until(lambda: h.get_status().status == "PENDING" and h.workflow_id in executor.running)
    durable.cancel_workflow(h.workflow_id)
    wait_until(lambda: h.workflow_id not in executor.running)

@durable.workflow(name="lead_manager")
def manager(id):
    durable.cancel_workflow(id)
    durable.update_workflow_attributes(id, {"x": 1})
    return [v.name for v in durable.list_versions()]

@durable.workflow(name="lead_amanager")
async def amanager(id):
    return await durable.acancel_workflow(id)

def test_managed(executor):
    h = napper.start(100)
    assert manager.start(h.workflow_id).get_result(timeout=5) 
    assert amanager.start(h.workflow_id).get_result(timeout=5) is False
    assert amanager.start(napper.start(50).workflow_id).get_result(timeout=5) is True

@durable.workflow(name="lead_patch")
def patched():
    if durable.patch("one"): echo(1)
    durable.deprecate_patch("two")
    return durable.workflow_id()

def test_patch(executor):
    h = patched.start(); h.get_result(timeout=5)
    assert [s.name for s in Step.objects.filter(workflow=h.workflow_id)] == ["patch:one", "lead_echo"]

def test_delay(executor):
    q = durable.Queue("lead_delay")
    with durable.SetEnqueueOptions(delay=60):
        h = q.enqueue(echo, 4)
    assert h.get_status().status == "DELAYED"
    durable.set_workflow_delay(h.workflow_id, seconds=0.1)
    assert h.get_result(timeout=5) == 4
