"""Pages by keyset: nothing twice, nothing left out, however often one turns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext

from dashboard.paging import Cursor, Page, capped_count, figure
from durable.errors import InvalidOption
from durable.models import Workflow

from .crowd import make_workflow

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def turn(direction: str = "", cursor: str = "", size: int = 7) -> Page:
    query = QueryDict(mutable=True)
    if cursor:
        query[direction] = cursor
    return Page(Workflow.objects.listed(), query, size)


def ids(page: Page) -> list[str]:
    return [workflow.pk for workflow in page.rows]


@pytest.fixture
def forty(database: str) -> list[str]:
    """Workflows of which many were accepted at the same moment, newest first."""
    for n in range(40):
        make_workflow(f"w,{n:02}/ü", created_at=NOON + timedelta(microseconds=n // 5))
    return [f"w,{n:02}/ü" for n in reversed(range(40))]


def test_turning_to_older_pages_shows_everything_once(forty: list[str]):
    page, seen = turn(), []
    while True:
        seen += ids(page)
        if not page.older:
            break
        page = turn("older", page.older)
    assert seen == forty


def test_turning_back_shows_the_same_pages(forty: list[str]):
    pages = [turn()]
    while pages[-1].older:
        pages.append(turn("older", pages[-1].older))
    page = pages[-1]
    for before in reversed(pages[:-1]):
        page = turn("newer", page.newer)
        assert ids(page) == ids(before)
    assert page.is_first
    assert page.newer == ""


def test_new_arrivals_move_no_row_to_another_page(forty: list[str]):
    first = turn()
    make_workflow("later", created_at=NOON + timedelta(hours=1))
    assert ids(turn("older", first.older)) == forty[7:14]


def test_a_page_goes_on_where_it_was_when_its_row_is_gone(forty: list[str]):
    first = turn()
    Workflow.objects.filter(pk=first.rows[-1].pk).delete()
    assert ids(turn("older", first.older)) == forty[7:14]


def test_the_clock_of_the_database_may_be_finer_than_an_address(database: str):
    """SQLite keeps a float; two rows may differ by less than the microsecond that an address can say."""
    for n in range(6):
        make_workflow(f"w-{n}")
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("update durable_workflow set created_at = 1763640000.1234567 + rowid * 2.4e-7")
    page, seen = turn(size=1), []
    while page.rows:
        seen += ids(page)
        page = turn("older", page.older, size=1) if page.older else turn("older", Cursor.beside(page.rows[-1]), size=1)
    assert sorted(seen) == [f"w-{n}" for n in range(6)]


def test_no_page_is_found_by_counting_rows(forty: list[str]):
    with CaptureQueriesContext(connection) as asked:
        turn("older", turn().older)
    assert not [query for query in asked.captured_queries if "OFFSET" in query["sql"]]


@pytest.mark.parametrize(
    "cursor", ["x", "2026-11-20", "2026-11-20T12:00:00,a", "2026-11-20T12:00:00+00:00", ",", "\0,"]
)
def test_a_cursor_that_nobody_gave_out_is_refused(cursor: str):
    with pytest.raises(InvalidOption, match="first page"):
        turn("older", cursor)


def test_a_count_stops_at_its_cap(forty: list[str]):
    assert capped_count(Workflow.objects.all(), cap=39) == 40
    assert capped_count(Workflow.objects.all(), cap=10) == 11
    assert (figure(11, cap=10), figure(10, cap=10), figure(1482)) == ("10+", "10", "1,482")
