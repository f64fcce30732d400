# ruff: noqa
# fmt: off
import os

import uvicorn
from dbos import DBOS, DBOSConfig
from fastapi import FastAPI

from schema import example_table

app = FastAPI()
config: DBOSConfig = {
    "name": "dbos-starter",
    "database_url": os.environ.get("DBOS_DATABASE_URL"),
}
DBOS(config=config, fastapi=app)

@DBOS.transaction()
def insert_row():
        DBOS.sql_session.execute(example_table.insert().values(name="dbos"))

@DBOS.transaction()
def count_rows():
    count = len(DBOS.sql_session.execute(example_table.select()).all())
    print(f"Row count: {count}")

@app.get("/")
@DBOS.workflow()
def dbos_workflow():
    insert_row()
    count_rows()

if __name__ == "__main__":
    DBOS.launch()
    uvicorn.run(app, host="0.0.0.0", port=8000)
