"""The page of a run in a browser: searching, failures, folded calls, and what it remembers; timeline and comparison."""

import pytest
from playwright.async_api import Page, expect

from tests.support.demo_runs import BOOKING, TRIP

pytestmark = pytest.mark.asyncio(loop_scope="session")

# Counts the rows that begin above the end of the row before them, in each frame as it is painted: the observers of a
# page are called after its layout, in the order in which they were made, so this one after the one of the list.
COUNT_COVERED_ROWS = """() => {
    window.covered = 0;
    const probe = document.body.appendChild(document.createElement("div"));
    probe.style.position = "fixed";
    new ResizeObserver(() => {
        const boxes = [...document.querySelectorAll(".event")].map((row) => row.getBoundingClientRect());
        boxes.sort((one, other) => one.top - other.top);
        window.covered += boxes.filter((box, index) => index > 0 && box.top < boxes[index - 1].bottom - 1).length;
    }).observe(probe);
    let width = 1;
    const next = () => { probe.style.width = `${width = 3 - width}px`; requestAnimationFrame(next); };
    next();
}"""


async def test_a_text_is_searched_and_its_hits_are_marked(page: Page, desk: str) -> None:
    await page.goto(f"{desk}/runs/{BOOKING}")
    await page.keyboard.press("/")
    await page.keyboard.type("h-20931")
    await expect(page.locator("#hits")).to_contain_text("hits")
    # Enter goes from hit to hit, and opens each.
    await page.keyboard.press("Enter")
    await expect(page.locator("#hits")).to_contain_text("1 of ")
    await expect(page.locator(".event.selected .payload mark").first).to_have_text("H-20931")
    first = await page.locator(".event.selected .seq").inner_text()
    await page.keyboard.press("Enter")
    await expect(page.locator("#hits")).to_contain_text("2 of ")
    assert int(await page.locator(".event.selected .seq").inner_text()) > int(first)
    await expect(page.locator(".event.open")).to_have_count(1)
    # The address has the search, so that it can be sent.
    await page.reload()
    await expect(page.locator("#hits")).to_contain_text("hits")
    assert page.url.endswith("?q=h-20931")


async def test_an_opened_payload_covers_no_row_in_any_frame(page: Page, desk: str) -> None:
    await page.goto(f"{desk}/runs/{BOOKING}")
    await expect(page.locator(".event", has_text="run_started")).to_be_visible()
    await page.evaluate(COUNT_COVERED_ROWS)
    for number in range(5):
        await page.locator(".event .toggle").nth(number).click()
        await expect(page.locator(".event.open").nth(number).locator(".payload > .fields")).to_be_visible()
    assert await page.evaluate("window.covered") == 0


async def test_times_are_shown_in_the_zone_of_the_browser_on_request(page: Page, desk: str) -> None:
    devtools = await page.context.new_cdp_session(page)
    await devtools.send("Emulation.setTimezoneOverride", {"timezoneId": "Asia/Kolkata"})  # without daylight saving time
    await page.goto(f"{desk}/runs/{BOOKING}")
    first, created = page.locator(".event time").first, page.locator(".heading .absolute").first
    await expect(first).to_have_text("23:46:00.000")
    await expect(created).to_have_text("2026-01-03 23:46:00Z")
    await expect(first).to_have_attribute("title", "2026-01-03 23:46:00Z\n2026-01-04 05:16:00+05:30")

    await page.keyboard.press("t")

    await expect(first).to_have_text("05:16:00.000")
    await expect(created).to_have_text("2026-01-04 05:16:00+05:30")
    # Every page of this browser shows them so, until one chooses UTC again.
    await page.goto(f"{desk}/runs/{BOOKING}/calls/1")
    await expect(created).to_contain_text("+05:30")
    await page.get_by_role("button", name="Local").click()
    await expect(created).to_have_text("2026-01-03 23:46:02Z")


async def test_a_key_goes_from_failure_to_failure(page: Page, desk: str) -> None:
    await page.goto(f"{desk}/runs/{TRIP}")
    await expect(page.locator(".event.failed")).to_have_count(4)
    for text in ("RateLimitError", "TimeoutError", "TimeoutError", "gave up after 73 s"):
        await page.keyboard.press("e")
        await expect(page.locator(".event.selected .says")).to_contain_text(text)
    await page.keyboard.press("e")
    await expect(page.locator("#failures")).to_have_text("No failure after this")
    await page.keyboard.press("Shift+E")
    await expect(page.locator(".event.selected .type")).to_have_text("tool_failed")


async def test_calls_are_folded_and_what_is_open_is_remembered(page: Page, desk: str) -> None:
    await page.goto(f"{desk}/runs/{BOOKING}")
    # Given two calls that run in parallel: each request leads to its answer, with the duration,
    request = page.locator(".event", has_text="tool_requested").filter(has_text="fare_rules")
    await expect(request.locator(".partner")).to_have_text("→ 700ms")
    answers = page.locator(".event", has_text="tool_succeeded")
    await expect(answers).to_have_count(4)
    # when the calls are folded, then a request stands for its answer, and shows it when it is opened,
    await page.get_by_role("button", name="Fold tool calls").click()
    await expect(answers).to_have_count(0)
    await request.locator(".toggle").click()
    await expect(request.locator(".both")).to_contain_text("refundable")
    # and the page is the same when one comes back.
    await page.goto(f"{desk}/inbox")
    await page.goto(f"{desk}/runs/{BOOKING}")
    await expect(request.locator(".payload").first).to_contain_text("economy")
    await expect(answers).to_have_count(0)


async def test_the_timeline_and_the_comparison_are_used_with_the_keyboard(page: Page, desk: str) -> None:
    await page.goto(f"{desk}/runs/{BOOKING}")
    await page.get_by_role("link", name="Timeline").click()
    await page.wait_for_url("**/timeline")
    await page.wait_for_load_state()
    await page.keyboard.press("+")
    await expect(page.get_by_role("link", name="Zoom out")).to_be_visible()
    await page.wait_for_load_state()
    await page.keyboard.press("-")
    await expect(page.get_by_role("link", name="Zoom out")).to_be_hidden()
    await page.wait_for_load_state()
    await page.keyboard.press("j")
    await expect(page.locator("a.step:focus")).to_be_visible()
    await page.keyboard.press("Enter")
    await expect(page.locator(".event.selected .payload")).to_be_visible()
    await page.goto(f"{desk}/compare?a={BOOKING}&b={TRIP}")
    await page.keyboard.press("j")
    await expect(page.locator(".pair").first.locator("a:focus")).to_be_visible()
