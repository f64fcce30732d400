"""The addresses of databases."""

from __future__ import annotations

import pytest

from durable import Client
from durable.addresses import described, shown
from durable.errors import InvalidOption


def test_an_address_is_read_in_every_part():
    found = described("postgresql+psycopg://u%40s:p%2F%3A@%2FTmp%2FRun:5433/d%20b?sslmode=require&connect_timeout=3")
    assert found == {
        "ENGINE": "django.db.backends.postgresql", "NAME": "d b", "USER": "u@s", "PASSWORD": "p/:", "HOST": "/Tmp/Run",
        "PORT": "5433", "OPTIONS": {"sslmode": "require", "connect_timeout": "3"},
    }  # fmt: skip
    assert described("postgres://[::1]:5/x")["HOST"] == "::1"
    assert described("postgresql:///x?host=/tmp/run&user=u&password=p&port=9") == {
        "ENGINE": "django.db.backends.postgresql", "NAME": "x", "USER": "u", "PASSWORD": "p", "HOST": "/tmp/run",
        "PORT": "9", "OPTIONS": {},
    }  # fmt: skip
    several = described("postgresql://u@a:1,b:2/x")
    assert (several["HOST"], several["PORT"]) == ("a,b", "1,2")
    file = described("sqlite:////data/a%20b.sqlite3?timeout=5")
    assert (str(file["NAME"]), file["OPTIONS"]["timeout"]) == ("/data/a b.sqlite3", 5.0)
    assert str(described("sqlite:///a/b.sqlite3")["NAME"]) == "a/b.sqlite3"


@pytest.mark.parametrize(
    ("address", "is_shown"),
    [
        ("postgresql://u:secret@h/d", "postgresql://u:***@h/d"),
        ("postgresql://u:se?cr@et@h/d", "postgresql://u:***@h/d"),
        ("postgresql://h/d?user=u&password=secret&a=b", "postgresql://h/d?user=u&password=***&a=b"),
        ("sqlite:////a/b", "sqlite:////a/b"),
    ],
)
def test_an_address_is_shown_without_its_password(address, is_shown):
    assert shown(address) == is_shown


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"database_url": "mysql://u:secret@h/d"}, "postgresql:// or sqlite:///"),
        ({"database_url": "postgresql://u:secret@h:port/d"}, "host:5432"),
        ({"database_url": "postgresql://u:secret@h"}, "name the database"),
        ({"database_url": "sqlite://"}, "name a file"),
        ({"database_url": "sqlite:///:memory:"}, "name a file"),
        ({"database_url": "sqlite:///a?mode=ro"}, "timeout=seconds"),
        ({"database_url": 5}, "give text"),
        ({"database_url": "sqlite:////a", "alias": "default"}, "not both"),
        ({"application": " "}, "give its name"),
    ],
)
def test_a_wrong_address_is_refused_without_showing_the_password(given, says):
    with pytest.raises(InvalidOption, match=says) as refused:
        Client(**given)
    assert "secret" not in str(refused.value)
