# ruff: noqa
# fmt: off
import json
import os
from typing import Any

from dbos import DBOS, DBOSConfig, Queue, Serializer

class JsonSerializer(Serializer):
    def serialize(self, data: Any) -> str:
        return json.dumps(data)

    def deserialize(cls, serialized_data: str) -> Any:
        return json.loads(serialized_data)

serializer = JsonSerializer()
config: DBOSConfig = {
    "name": "dbos-starter",
    "system_database_url": os.environ.get("DBOS_SYSTEM_DATABASE_URL"),
    "serializer": serializer
}
DBOS(config=config)

queue = Queue("queue")

@DBOS.step()
def double(n):
    return {"doubled": n * 2}

@DBOS.workflow()
def workflow(n):
    DBOS.set_event("started", True)
    listed = [each.status for each in DBOS.list_workflows(workflow_ids=[DBOS.workflow_id])]
    return [double(n), queue.enqueue(double, n + 1).get_result(), DBOS.recv("nothing", timeout_seconds=0.1), listed]

DBOS.launch()
handle = DBOS.start_workflow(workflow, 4)
print(handle.get_result())
print(handle.get_status().input, DBOS.get_event(handle.workflow_id, "started"))
