"""A real browser on the real site."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.rundev import Rundev

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Ends with its module: while it lives, its event loop runs in this thread, and Django's ORM refuses to work."""
    chromium = next(filter(None, map(shutil.which, NAMES)), None)
    if chromium is None:
        pytest.skip(f"No Chromium on the path ({', '.join(NAMES)}); install one, such as apt-get install chromium.")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture(params=["with script", "without script"])
def script(request: pytest.FixtureRequest) -> bool:
    """Whether the browser runs JavaScript: a test that asks for it runs both ways."""
    return request.param == "with script"


@pytest.fixture
def new_page(browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens a page in a browser of its own. No page may break its content security policy or throw an error."""
    contexts, complaints = [], []

    def open_page(**options: Any) -> Any:
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if "Security Policy" in said.text else None)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rundev]:
    with Rundev(tmp_path_factory.mktemp("site"), "--no-reload", WIDGET_STORE_STAGE_SECONDS="1.5") as running:
        yield running.ready()


@pytest.fixture
def rows(site: Rundev) -> Callable[..., list[tuple[Any, ...]]]:
    """Asks the site's database."""

    def ask(query: str, *values: Any) -> list[tuple[Any, ...]]:
        file = Path(site.home) / "dev.sqlite3"
        connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
        try:
            return connection.execute(query, values).fetchall()
        finally:
            connection.close()

    return ask
