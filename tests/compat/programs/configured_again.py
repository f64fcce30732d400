# ruff: noqa
# fmt: off
import asyncio
import os

from dbos import DBOS, Queue, SetWorkflowID
from dbos import error as dboserror

queue = Queue("queue")

@DBOS.workflow()
def workflow(n):
    return n

def use(url, n):
    DBOS(config={"name": "again", "system_database_url": url})
    DBOS.reset_system_database()
    DBOS.launch()
    with SetWorkflowID("same"):
        workflow(n)
    result = queue.enqueue(workflow, n).get_result()
    async def ask():
        return [each.output for each in await DBOS.list_workflows_async()]
    listed = asyncio.run(ask())
    DBOS.destroy()
    return result, listed

print(use("sqlite:///one.sqlite", 1), use(os.environ["DBOS_SYSTEM_DATABASE_URL"], 2), use("sqlite:///one.sqlite", 3))

try:
    workflow(4)
except dboserror.DBOSException as error:
    print(error)
DBOS(config={"name": "again", "system_database_url": "sqlite:///one.sqlite"})
DBOS.launch()
print([each.output for each in DBOS.list_workflows()])
DBOS.destroy(destroy_registry=True)
