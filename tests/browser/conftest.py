"""Fixtures for tests in a real browser: one Chromium for all tests of a process, and pages that must stay clean."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.browser.clean_page import CleanPage
from tests.support.demo_runs import insert_demo_runs
from tests.support.servers import TemplateDatabase
from tests.support.viewer_process import running_viewer

# Of what a page must show, and of what the browser must do. Playwright's own 5 s are short for a busy machine.
_TIMEOUT_MS = 60_000
_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


def chromium() -> str:
    """The browser's program. Playwright's own download is not used."""
    for name in _NAMES:
        if path := shutil.which(name):
            return path
    pytest.skip("there is no Chromium: install it, for example with `apt-get install chromium`")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """The browser of all tests."""
    expect.set_options(timeout=_TIMEOUT_MS)
    async with async_playwright() as playwright:
        # A sandbox needs rights that containers and root do not have.
        browser = await playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A page without history. After the test: no error in its console, and no request to another origin."""
    context = await browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(_TIMEOUT_MS)
    page = await context.new_page()
    watched = CleanPage(page)
    yield page
    await context.close()
    watched.require_clean()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def desk(
    browser: Browser, template_database: TemplateDatabase, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[str]:
    """The address of a viewer of the runs of `tests.support.demo_runs`."""
    name = await template_database.clone()
    url = template_database.url_of(name)
    await insert_demo_runs(url)
    directory: Path = tmp_path_factory.mktemp("viewer")
    async with running_viewer(url, directory) as port:
        yield f"http://127.0.0.1:{port}"
    await template_database.drop(name)
