"""What people do with the viewer, in a real browser."""

import asyncio
import json
import re
from pathlib import Path
from typing import Literal

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.accessibility import violations
from tests.support.demo_runs import BOOKING, QUESTION, REFUND, RESEARCH, TRIP
from tests.support.viewer_process import running_viewer

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAGES = {
    "runs": "/",
    "a run": f"/runs/{BOOKING}#3",
    "a run that waits": f"/runs/{REFUND}",
    "a failed run": f"/runs/{TRIP}#3",
    "a run with children": f"/runs/{RESEARCH}",
    "a prompt": f"/runs/{BOOKING}/calls/3",
    "a timeline": f"/runs/{RESEARCH}/timeline",
    "a comparison": f"/compare?a={BOOKING}&b={TRIP}",
    "no such run": "/runs/none",
    "the inbox": "/inbox",
    "operations": "/operations",
    "what is found": "/find?text=b",
}


async def test_the_failed_run_is_found_and_says_why(page: Page, desk: str) -> None:
    await page.goto(desk)
    await page.get_by_role("navigation", name="Status").get_by_role("link", name="failed").click()
    row = page.locator("tr", has_text=TRIP)
    await expect(row).to_contain_text("hotel_search failed twice")
    await row.get_by_role("link", name=TRIP).click()
    await expect(page.locator(".failure")).to_contain_text("ToolUnavailable")
    # Of its events, the failures alone can be shown.
    await expect(page.locator("#live")).to_have_text("Live")  # the script runs
    await page.get_by_label("Type").select_option(label="Failures")
    await expect(page.locator(".event.failed")).to_have_count(4)
    await expect(page.locator(".event")).to_have_count(4)


async def test_the_children_of_runs_can_be_left_out_of_the_list(page: Page, desk: str) -> None:
    await page.goto(f"{desk}/?session=session-katherine")
    await expect(page.locator("tr", has_text="↳")).not_to_have_count(0)
    await expect(page.locator("tr", has_text=RESEARCH).first).to_be_visible()

    await page.get_by_label("Top-level runs only").check()
    await page.get_by_role("button", name="Filter").click()

    await expect(page.locator("tr", has_text="↳")).to_have_count(0)
    await expect(page.get_by_role("link", name=RESEARCH, exact=True)).to_be_visible()
    await expect(page.get_by_label("Top-level runs only")).to_be_checked()
    assert page.url.endswith("/?session=session-katherine&top_level=1")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_who_has_a_wrong_token_is_told_what_to_type(
    browser: Browser, tmp_path: Path, scheme: Literal["light", "dark"]
) -> None:
    # No page of this test reads PostgreSQL.
    async with running_viewer("postgresql://127.0.0.1:1/none", tmp_path, AGENT_RUNS_VIEWER_TOKEN="a" * 16) as port:
        context = await browser.new_context(
            color_scheme=scheme,
            viewport={"width": 400, "height": 700},
            http_credentials={"username": "ada", "password": "wrong"},
        )
        page = await context.new_page()
        await page.goto(f"http://127.0.0.1:{port}/")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Token needed")
        await expect(page.locator("main code")).to_have_text("AGENT_RUNS_VIEWER_TOKEN")
        assert (
            await page.evaluate("getComputedStyle(document.querySelector('.bar')).display") == "flex"
        )  # it has a style
        assert await page.evaluate("document.documentElement.scrollWidth") == 400
        assert await violations(page) == []
        await context.close()


async def test_the_difference_of_the_third_prompt_is_read(page: Page, desk: str) -> None:
    await page.goto(f"{desk}/runs/{BOOKING}")
    await page.get_by_role("button", name=re.compile("^llm_called")).nth(2).click()
    await page.get_by_role("link", name="Prompt").click()
    await expect(page.get_by_role("heading", name="Prompt 3")).to_be_visible()
    await expect(page.locator(".side.added")).to_contain_text(
        ["I hold two aisle seats.", "H-20931", "Perfect. Go ahead."]
    )
    await expect(page.locator(".side.removed")).to_have_count(0)
    await page.get_by_role("link", name="Next").click()
    await expect(page.get_by_role("heading", name="Prompt 4")).to_be_visible()


async def test_everything_can_be_done_with_the_keyboard(page: Page, desk: str) -> None:
    await page.goto(desk)
    # Down the list, and into a run;
    for _ in range(7):
        await page.keyboard.press("j")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text(BOOKING)
    # to its third event, which opens, and to the last one;
    await page.locator(".event", has_text="run_completed").wait_for()
    for key in ("j", "j", "j", "Enter"):
        await page.keyboard.press(key)
    await expect(page.locator(".event.selected .payload")).to_contain_text("Ada Lovelace")
    await page.keyboard.press("G")
    await expect(page.locator(".event.selected")).to_contain_text("run_completed")
    # the list of keys, and away from it.
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
async def test_the_pages_break_no_rule_of_accessibility(page: Page, desk: str, scheme: str) -> None:
    await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    found = {}
    for name, path in PAGES.items():
        await page.goto(desk + path)
        if name.startswith("a") and "run" in name:
            await expect(page.locator("#live")).to_have_text("Live")
        if path.endswith("#3"):
            await expect(page.locator(".event.open .payload > .fields")).to_be_visible()
        found[name] = await violations(page)
    assert {name: rules for name, rules in found.items() if rules} == {}


async def test_on_a_narrow_screen_no_page_scrolls_sideways(page: Page, desk: str) -> None:
    await page.set_viewport_size({"width": 400, "height": 800})
    for path in PAGES.values():
        await page.goto(desk + path)
        await page.wait_for_load_state()
        assert await page.evaluate("document.documentElement.scrollWidth") <= 400, path
        assert await page.locator(".bar nav").evaluate("nav => nav.clientHeight") < 48, (
            path
        )  # its links are in one line


async def test_a_question_is_seen_with_its_text(page: Page, desk: str) -> None:
    await page.goto(f"{desk}/runs/{REFUND}")
    await expect(page.locator(".question")).to_contain_text(QUESTION)


async def test_a_prompt_that_is_json_is_shown_as_its_messages_and_as_text_on_request(page: Page, desk: str) -> None:
    await page.goto(f"{desk}/runs/{BOOKING}#3")
    payload = page.locator(".event.selected .payload")
    # The message is first, and what identifies the event last.
    await expect(payload.locator("dt").first).to_have_text("raw_response")
    await expect(payload.locator("dt").last).to_have_text("record")
    prompt = payload.locator("dt", has_text="user_prompt").locator("+ dd")
    await expect(prompt.locator("dt", has_text="role")).to_be_visible()
    await prompt.get_by_role("button", name="Show as text").click()
    await expect(prompt).to_contain_text('[{"role": "user", "content": "Two seats to Lisbon')
    # The whole event can be copied as JSON.
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    copy, done = (payload.get_by_role("button", name=name) for name in ("Copy as JSON", "Copied"))
    await asyncio.gather(done.wait_for(), copy.click())  # waits from before the click: it is shown for two seconds
    copied = json.loads(await page.evaluate("navigator.clipboard.readText()"))
    assert (copied["seq"], copied["event"]["type"]) == (3, "llm_called")
