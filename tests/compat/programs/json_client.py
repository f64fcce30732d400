# ruff: noqa
# fmt: off
import json
import os
from typing import Any

from dbos import DBOSClient, Serializer

class JsonSerializer(Serializer):
    def serialize(self, data: Any) -> str:
        return json.dumps(data)

    def deserialize(cls, serialized_data: str) -> Any:
        return json.loads(serialized_data)

client = DBOSClient(system_database_url=os.environ["DBOS_SYSTEM_DATABASE_URL"], serializer=JsonSerializer())
[workflow] = client.list_workflows(name="workflow")
print(workflow.output, client.retrieve_workflow(workflow.workflow_id).get_result())
print(client.enqueue({"queue_name": "queue", "workflow_name": "workflow"}, 1).get_status().input)
