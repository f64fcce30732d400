# ruff: noqa
# fmt: off
import os

from dbos import DBOS, DBOSClient, EnqueueOptions

client = DBOSClient(system_database_url=os.environ["DBOS_SYSTEM_DATABASE_URL"])

task = {"id": 1}
options: EnqueueOptions = {
  "queue_name": "pipeline_queue",
  "workflow_name": "data_pipeline",
}
handle = client.enqueue(options, task)
print(client.get_event(handle.workflow_id, "stage"))
client.send(handle.workflow_id, "now", "go")
result = handle.get_result()
print(result)
print(list(client.read_stream(handle.workflow_id, "lines")))
print([each.status for each in client.list_workflows(name="data_pipeline")])
