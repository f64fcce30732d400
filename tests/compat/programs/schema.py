# ruff: noqa
# fmt: off
from sqlalchemy import Column, Integer, MetaData, String, Table

example_table = Table(
    "example_table",
    MetaData(),
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("name", String, nullable=False),
)
