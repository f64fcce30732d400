"""Databases by their addresses, as clients name them."""

from __future__ import annotations

from urllib.parse import quote


def address_of(database: dict) -> str:
    """The address of a database that Django describes."""
    if "sqlite" in database["ENGINE"]:
        return f"sqlite:///{quote(str(database['NAME']))}"
    place = {"host": database["HOST"], "port": database["PORT"]}
    login = f"{quote(database['USER'], safe='')}:{quote(database['PASSWORD'], safe='')}"
    query = "&".join(f"{key}={quote(str(value), safe='')}" for key, value in place.items() if value)
    return f"postgresql://{login}@/{database['NAME']}?{query}"
