# ruff: noqa
# fmt: off
import os

from dbos import DBOS, DBOSConfig
from django.db import connection

config: DBOSConfig = {
    "name": "dbos-starter",
    "system_database_url": os.environ.get("DBOS_SYSTEM_DATABASE_URL"),
}
DBOS(config=config)

@DBOS.transaction()
def example_insert(name: str, note: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS greetings (name TEXT, note TEXT)")
        cursor.execute("INSERT INTO greetings (name, note) VALUES (%s, %s)", [name, note])

@DBOS.transaction()
def example_select(name: str) -> str | None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT note FROM greetings WHERE name = %s LIMIT 1", [name])
        row = cursor.fetchone()
    return row[0] if row else None

@DBOS.workflow()
def greet(name: str):
    example_insert(name, "hello")
    return example_select(name)

if __name__ == "__main__":
    DBOS.launch()
    print(greet("Ada"))
