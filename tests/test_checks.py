"""What Django says at start."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.test import override_settings

from durable.checks import check_settings
from durable.conf import conf
from durable.errors import InvalidSettings


def found(**changes) -> list[str]:
    with override_settings(DURABLE={**settings.DURABLE, **changes}):
        return [message.id for message in check_settings(None)]


def test_the_tests_own_settings_are_clean(database):
    assert found() == []


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"CONCURENCY": 5}, "did you mean CONCURRENCY"),
        ({"CONCURRENCY": 0}, "at least 1"),
        ({"LEASE_SECONDS": "long"}, "LEASE_SECONDS = 'long'"),
        ({"DATABASE": "nowhere"}, "not in DATABASES"),
        ({"QUEUES": "a"}, "list of names"),
    ],
)
def test_a_wrong_setting_is_an_error_that_names_it(wrong, says):
    with override_settings(DURABLE=wrong):
        [message] = check_settings(None)
        assert message.id == "durable.E001" and says in message.msg
        with pytest.raises(InvalidSettings, match=says):
            conf()


def test_pickle_is_pointed_out(database):
    assert found(SERIALIZER="pickle") == ["durable.W007"]


def test_a_database_that_is_set_up_badly_is_pointed_out(database, monkeypatch):
    own = settings.DATABASES["default"]
    monkeypatch.setitem(own, "ATOMIC_REQUESTS", True)
    monkeypatch.setitem(own, "OPTIONS", {"pool": True} if database == "postgresql" else {})
    expected = (
        ["durable.W006", "durable.W003"]
        if database == "postgresql"
        else ["durable.E004", "durable.W005", "durable.W003"]
    )
    assert found() == expected
