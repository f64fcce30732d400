# ruff: noqa
# fmt: off
import os
import sys
import time

from dbos import DBOS, DBOSConfig, SetWorkflowID

config: DBOSConfig = {
    "name": "crashes",
    "system_database_url": os.environ.get("DBOS_SYSTEM_DATABASE_URL"),
    "application_version": os.environ.get("VERSION"),
}
DBOS(config=config)

@DBOS.step()
def step_one():
    print("one", flush=True)

@DBOS.step()
def step_two():
    print("two", flush=True)

@DBOS.workflow(max_recovery_attempts=2)
def workflow(behave):
    step_one()
    if os.environ.get("CRASH") == behave:
        os._exit(7)
    step_two()
    return "done"

@DBOS.workflow()
def long_sleeper():
    step_one()
    DBOS.sleep(3600)

if __name__ == "__main__":
    DBOS.launch()
    if os.environ.get("START"):
        with SetWorkflowID(os.environ["START"]):
            DBOS.start_workflow(workflow, os.environ["START"])
    if os.environ.get("SLEEPER"):
        DBOS.start_workflow(long_sleeper)
        time.sleep(0.2)
    if wanted := os.environ.get("RESULT"):
        try:
            print("result", DBOS.retrieve_workflow(wanted).get_result())
        except Exception as error:
            print("error", type(error).__name__)
        status = DBOS.get_workflow_status(wanted)
        print("status", status.status, status.recovery_attempts)
    if os.environ.get("SHOW"):
        time.sleep(float(os.environ["SHOW"]))
        print("shown", DBOS.get_workflow_status("w").status)
    if os.environ.get("FORK"):
        print("fork", DBOS.fork_workflow("w", 2, application_version=os.environ["VERSION"]).get_result())
