"""What docs/api.md promises is what there is."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.test import Client

from api.errors import STATUS_OF, _slug
from durable.filters import CRITERIA

from .conftest import NOON, OPERATE, make_workflow
from .test_access import routes
from .test_actions import greet

PAGE = (Path(__file__).parents[2] / "docs/api.md").read_text()


def bodies() -> list[dict[str, Any]]:
    """The JSON that the page's requests send."""
    return [json.loads(body) for body in re.findall(r"-d '(\{.*\})'", PAGE)]


def test_the_page_names_every_route():
    for path, _ in routes():
        words = [word for word in path.removeprefix("/api/v1/").split("/") if word not in ("some-id", "k", "nowhere")]
        for word in words:
            assert re.search(rf"[ `/…]{word}\b", PAGE), path


def test_the_page_names_every_problem_every_criterion_and_every_permission():
    for error, status in STATUS_OF.items():
        if status != 403:
            assert re.search(rf"`{_slug(error.__name__)}`.*\| {status} \|", PAGE), error
    for criterion in CRITERIA:
        assert f"`{criterion}`" in PAGE or f"`{criterion.split('_')[0]}_`" in PAGE, criterion
    for right in OPERATE:
        assert f"`durable.{right}`" in PAGE


def test_the_requests_of_the_page_are_understood(client_with: Callable[..., Client]):
    client = client_with(*OPERATE, "view_workflow")
    make_workflow("order-6", queue="orders", status="ENQUEUED", completed_at=None, run_after=NOON)
    start, bulk = bodies()
    answer = client.post("/api/v1/workflows", {**start, "name": greet.name}, "application/json")
    assert answer.status_code == 201
    assert set(answer.json()) == {"id", "url", "status", "changed"}
    answer = client.post("/api/v1/bulk", {**bulk, "filter": {"queue": "orders"}}, "application/json")
    assert answer.json()["count"] == 2
    assert client.post("/api/v1/bulk", bulk, "application/json").status_code == 200
