"""An operator in a real browser: what is done there is looked up in the database."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.rundev import ROOT, Rundev

STATUS = "select status from durable_workflow where id = ?"
STEPS = "select seq, output from durable_step where workflow_id = ? order by seq"
SCHEDULE = "select paused, cron, override from durable_schedule where name = ?"
QUEUE = "select concurrency, paused, override from durable_queue where name = ?"
STREAM = "select value from durable_streamentry where workflow_id = ? order by seq"
AUDIT = "select action from durable_auditentry where kind = ? and target = ? order by id"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rundev]:
    """The site with the workflows of `steering`."""
    home = tmp_path_factory.mktemp("steering")
    with Rundev(home, "--no-reload", DJANGO_SETTINGS_MODULE="tests.browser.project") as running:
        yield running.ready()


@pytest.fixture(scope="module")
def asgi(site: Rundev) -> Iterator[str]:
    """The same site behind an ASGI server, which can hold connections open."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "config.asgi:application",
        "--port",
        str(port),
        "--log-level",
        "warning",
    ]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DURABLE_", "DJANGO_"))}
    ours = {"DJANGO_SETTINGS_MODULE": "tests.browser.project", "DURABLE_HOME": str(site.home)}
    process = subprocess.Popen(command, cwd=ROOT, env=kept | ours)
    try:
        answers(process, port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def answers(process: subprocess.Popen[bytes], port: int, timeout: float = 60) -> None:
    """Wait until the server takes connections."""
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        assert process.poll() is None, "the server did not start"
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the server takes no connections")


@pytest.fixture
def operator(new_page, site):
    """Opens a page in which the demo operator is signed in."""

    def sign_in(base: str = "", **options):
        page = new_page(base_url=base or site.url, **options)
        page.goto("/durable/login/")
        page.get_by_label("Name").fill("demo")
        page.get_by_label("Password").fill(site.password)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", level=1).wait_for()
        return page

    return sign_in


def wait_for_row(rows, query, expected, *values, timeout=30):
    """Wait until the database says so."""
    until = time.monotonic() + timeout
    while (found := rows(query, *values)) != expected:
        assert time.monotonic() < until, f"{query}: {found}"
        time.sleep(0.02)


def tail_a_stream(page, site, name):
    """Watch a stream while it is written, until it is closed."""
    site.get(f"/start/talks/{name}/")
    site.get(f"/send/{name}/?topic=word&message=first")
    page.goto(f"/durable/workflows/{name}/streams/words/")
    page.get_by_text('"word":"first"').wait_for()
    for word in ("second", "third"):
        site.get(f"/send/{name}/?topic=word&message={word}")
        page.get_by_text(f'"word":"{word}"').wait_for()
    assert page.locator(".d-entry:not(.d-entry-end)").count() == 3
    site.get(f"/send/{name}/?topic=word&message=stop")
    page.locator("#tail").get_by_text("Closed", exact=True).wait_for()
    assert "3 values" in page.locator("#tail").inner_text()
    assert page.locator("#tail").get_attribute("hx-get") is None, "a stream that has ended is not asked for"


def test_a_stream_is_tailed_while_it_is_written(operator, site, rows):
    page = operator()
    tail_a_stream(page, site, "talk-1")
    shown = " ".join(page.locator(".d-entry:not(.d-entry-end)").all_inner_texts())
    assert re.findall(r'"word":"(\w+)"', shown) == ["first", "second", "third"]
    assert [value is None for (value,) in rows(STREAM, "talk-1")] == [False, False, False, True]


def test_a_stream_is_tailed_at_once_where_the_server_can_tell(operator, site, asgi):
    page = operator(asgi)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    tail_a_stream(page, site, "talk-2")
    assert any("/news/?stream=words" in url for url in asked)


def test_a_schedule_is_paused_triggered_and_changed(operator, rows, script):
    page = operator(java_script_enabled=script)
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Schedules").click()
    page.get_by_role("link", name="nightly", exact=True).click()
    before = len(rows("select 1 from durable_workflow where schedule = 'nightly'"))

    page.get_by_role("link", name="Pause").click()
    page.get_by_label("Reason").fill("holidays")
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("heading", name="Paused nightly").wait_for()
    assert rows(SCHEDULE, "nightly")[0][0] == 1

    page.get_by_role("link", name="Trigger…").click()
    page.get_by_role("button", name="Trigger now").click()
    page.wait_for_url(re.compile("/workflows/sched-nightly-trigger-"))
    started = rows("select id from durable_workflow where schedule = 'nightly' order by created_at desc")
    assert len(started) == before + 1
    wait_for_row(rows, STATUS, [("SUCCESS",)], started[0][0])

    page.locator(".d-facts").get_by_role("link", name="nightly").click()
    page.get_by_role("link", name="Override").click()
    page.get_by_label("Cron").fill("15 4 * * *")
    page.get_by_role("button", name="Put in force").click()
    page.get_by_text("every day at 04:15").first.wait_for()
    assert rows(SCHEDULE, "nightly") == [(1, "15 4 * * *", '{"cron": "15 4 * * *"}')]

    page.get_by_role("link", name="Return all to declared").click()
    page.get_by_role("button", name="Return to declared").click()
    page.get_by_role("link", name="Resume").click()
    page.get_by_role("button", name="Resume").click()
    page.get_by_role("heading", name="Ticks nightly").wait_for()
    assert rows(SCHEDULE, "nightly") == [(0, "30 3 * * *", "{}")]
    assert [action for (action,) in rows(AUDIT, "schedule", "nightly")][-5:] == [
        "pause", "trigger", "override", "clear override", "resume",
    ]  # fmt: skip


def test_a_failed_workflow_is_forked_from_the_step_that_failed(operator, site, rows, script):
    name = f"sell-{'with' if script else 'without'}"
    site.get(f"/start/sells/{name}/?arg=FJ-1")
    wait_for_row(rows, STATUS, [("ERROR",)], name)
    page = operator(java_script_enabled=script)
    page.goto(f"/durable/workflows/{name}/")
    page.get_by_role("link", name="Fork…").click()
    page.get_by_role("heading", name="Fork sells from step 2").wait_for()
    page.get_by_role("link", name="Edit output").click()
    output = page.get_by_label("Output of step 1, look_up")
    assert json.loads(output.input_value()) == {"order": "FJ-1", "stock": 0}
    output.fill('{"order": "FJ-1", "stock": ')
    page.get_by_label("Id of the fork").fill(f"{name}-again")
    page.get_by_role("button", name="Fork").click()
    page.get_by_text("This is no JSON").wait_for()
    assert rows(STATUS, f"{name}-again") == []

    page.get_by_label("Output of step 1, look_up").fill('{"order": "FJ-1", "stock": 5}')
    page.get_by_role("button", name="Fork").click()
    page.wait_for_url(re.compile(f"/workflows/{name}-again/"))
    wait_for_row(rows, STATUS, [("SUCCESS",)], f"{name}-again")
    assert [json.loads(output) for _, output in rows(STEPS, f"{name}-again")] == [
        {"order": "FJ-1", "stock": 5}, "charged",
    ]  # fmt: skip
    assert rows(STATUS, name) == [("ERROR",)] and rows(AUDIT, "workflow", name) == [("fork",)]


def test_a_queue_gets_another_limit_and_lets_more_in(operator, site, rows):
    for n in (1, 2, 3):
        site.get(f"/start/waits/narrow-{n}/?queue=narrow")
    inside = "select count(*) from durable_workflow where queue = 'narrow' and admitted is not null"
    wait_for_row(rows, inside, [(1,)])
    page = operator()
    page.goto("/durable/queues/narrow/")
    page.get_by_role("link", name="Change limits").click()
    page.get_by_label("Running everywhere").fill("3")
    page.get_by_role("button", name="Put in force").click()
    page.get_by_text("overridden", exact=True).first.wait_for()
    assert rows(QUEUE, "narrow") == [(3, 0, '{"concurrency": 3}')]
    wait_for_row(rows, inside, [(3,)])

    page.get_by_role("link", name="back to 1").click()
    page.get_by_role("button", name="Return to declared").click()
    page.get_by_role("link", name="Pause").click()
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("heading", name="Paused narrow").wait_for()
    assert rows(QUEUE, "narrow") == [(1, 1, "{}")]
    assert rows(AUDIT, "queue", "narrow") == [("limits",), ("clear limits",), ("pause",)]


def test_a_workflow_gets_a_message_from_a_person(operator, site, rows):
    site.get("/start/waits/letter/")
    page = operator()
    page.goto("/durable/workflows/letter/")
    page.get_by_text("Parked for a message").wait_for()
    page.get_by_role("link", name="Send message").click()
    assert page.get_by_label("Topic").input_value() == "go"
    page.get_by_label("Message, as JSON").fill('{"approved": true}')
    page.get_by_role("button", name="Send message").click()
    wait_for_row(rows, STATUS, [("SUCCESS",)], "letter")
    assert rows("select output from durable_workflow where id = 'letter'") == [('{"approved":true}',)]
    page.get_by_text("Succeeded").first.wait_for()
