# ruff: noqa
# fmt: off
import os
import threading

from dbos import DBOS, DBOSConfig, Queue

config: DBOSConfig = {
    "name": "pipeline",
    "system_database_url": os.environ.get("DBOS_SYSTEM_DATABASE_URL"),
}
DBOS(config=config)

queue = Queue("pipeline_queue")

@DBOS.workflow()
def data_pipeline(task):
    DBOS.set_event("stage", "started")
    DBOS.write_stream("lines", "one")
    DBOS.write_stream("lines", "two")
    return {"task": task, "go": DBOS.recv("go", timeout_seconds=30)}

if __name__ == "__main__":
    DBOS.launch()
    print("ready", flush=True)
    threading.Event().wait()
