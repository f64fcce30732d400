# ruff: noqa
# fmt: off
import os

import uvicorn
from dbos import DBOS, DBOSConfig, SetWorkflowID
from fastapi import FastAPI, HTTPException, Response

PAYMENT_ID = "payment_id"
PAYMENT_STATUS = "payment_status"

app = FastAPI()
config: DBOSConfig = {
    "name": "widget-store",
    "system_database_url": os.environ.get("DBOS_SYSTEM_DATABASE_URL"),
}
dbos = DBOS(config=config, fastapi=app)

@DBOS.workflow()
def checkout_workflow():
    payment_id = DBOS.workflow_id
    dbos.set_event(PAYMENT_ID, payment_id)
    payment_status = DBOS.recv(PAYMENT_STATUS)
    if payment_status is not None and payment_status == "paid":
        return "paid for"
    else:
        return "not paid for"

@app.post("/checkout/{idempotency_key}")
def checkout_endpoint(idempotency_key: str) -> Response:
    # Idempotently start the checkout workflow in the background.
    with SetWorkflowID(idempotency_key):
        handle = DBOS.start_workflow(checkout_workflow)
    # Wait for the checkout workflow to send a payment ID, then return it.
    payment_id = DBOS.get_event(handle.workflow_id, PAYMENT_ID)
    if payment_id is None:
        raise HTTPException(status_code=404, detail="Checkout failed to start")
    return Response(payment_id)

@app.post("/payment_webhook/{workflow_id}/{payment_status}")
def payment_endpoint(workflow_id: str, payment_status: str) -> Response:
    # Send the payment status to the checkout workflow.
    DBOS.send(workflow_id, payment_status, PAYMENT_STATUS)
    return Response()

@app.get("/result/{workflow_id}")
async def result_endpoint(workflow_id: str) -> str:
    handle = await DBOS.retrieve_workflow_async(workflow_id)
    return await handle.get_result()

if __name__ == "__main__":
    DBOS.launch()
    uvicorn.run(app, host="0.0.0.0", port=8000)
