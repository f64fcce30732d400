# ruff: noqa
# fmt: off
import os
from typing import Optional

from dbos import DBOS, DBOSConfig
from sqlalchemy import Column, MetaData, String, Table, select, text

config: DBOSConfig = {
    "name": "dbos-starter",
    "system_database_url": os.environ.get("DBOS_SYSTEM_DATABASE_URL"),
    "application_database_url": os.environ.get("DBOS_DATABASE_URL"),
}
DBOS(config=config)

greetings = Table(
    "greetings", 
    MetaData(), 
    Column("name", String), 
    Column("note", String)
)

@DBOS.transaction()
def create_table() -> None:
    DBOS.sql_session.execute(text("CREATE TABLE IF NOT EXISTS greetings (name TEXT, note TEXT)"))

@DBOS.transaction()
def example_insert(name: str, note: str) -> None:
    # Insert a new greeting into the database
    DBOS.sql_session.execute(greetings.insert().values(name=name, note=note))

@DBOS.transaction()
def example_select(name: str) -> Optional[str]:
    # Select the first greeting to a particular name
    row = DBOS.sql_session.execute(
        select(greetings.c.note).where(greetings.c.name == name)
    ).first()
    return row[0] if row else None

@DBOS.transaction()
def raw_insert(name: str, note: str) -> None:
    # Insert a new greeting into the database
    sql = text("INSERT INTO greetings (name, note) VALUES (:name, :note)")
    DBOS.sql_session.execute(sql, {"name": name, "note": note})

@DBOS.transaction()
def raw_select(name: str) -> Optional[str]:
    # Select the first greeting to a particular name
    sql = text("SELECT note FROM greetings WHERE name = :name LIMIT 1")
    row = DBOS.sql_session.execute(sql, {"name": name}).first()
    return row[0] if row else None

@DBOS.workflow()
def greet(name: str):
    create_table()
    example_insert(name, "hello")
    raw_insert("raw " + name, "hi")
    return [example_select(name), raw_select("raw " + name), raw_select("nobody")]

if __name__ == "__main__":
    DBOS.launch()
    print(greet("Ada"))
