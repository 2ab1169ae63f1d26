"""The page that `agent-runs export --html` writes, opened from the disk."""

import json
import re
from pathlib import Path
from secrets import token_hex

import pytest
from playwright.async_api import Page, expect

from agent_runs import decode_event
from agent_runs.events import Event
from tests.browser.accessibility import violations
from tests.support.command_line import agent_runs
from tests.support.corpus import corpus
from tests.support.demo_runs import BOOKING, booking
from tests.support.messages import event
from tests.support.replay.run_files import write_run

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOSTILE = (
    "</script></textarea><script>alert(1)</script><img src=x onerror=alert(1)>\"'&\x1b[31m\u202egnp\u202c<!--\ud800"
    "\u3164\U000e0148"  # a blank letter, and a selector that can carry a hidden text
)
NAME = HOSTILE.replace("\ud800", "")  # ids and types have no lone surrogate


async def export(directory: Path, run_id: str, messages: list[bytes]) -> str:
    """Export a run that has these messages, and return the address of the page."""
    events = [decode_event(message) for message in messages]
    file = write_run(
        directory / "run.jsonl", run_id, [each for each in events if isinstance(each, Event)], has_raw=True
    )
    page = directory / "run.html"
    ran = await agent_runs({}, "--file", str(file), "export", run_id, "--html", "-f", str(page))
    assert ran == (0, "", f"Exported 1 run with {len(messages)} events to {page}.\n")
    return page.as_uri()


async def test_it_shows_events_payloads_and_prompts_without_a_server(page: Page, tmp_path: Path) -> None:
    address = await export(tmp_path, BOOKING, booking().messages)
    await page.goto(f"{address}#8")
    # The event that the address names is open: its prompt as the viewer shows it, and its payload.
    content = page.locator(".event.selected .payload")
    await expect(content.locator(".side.added")).to_contain_text(["search_flights", "23 kg", "OS 363"])
    await expect(content.locator(".prompt.answer")).to_contain_text("I hold two aisle seats.")
    await expect(content).to_contain_text("claude-sonnet-4-5")
    # Every link that it has leads into it,
    links = await page.eval_on_selector_all("a[href]", "links => links.map((link) => link.getAttribute('href'))")
    assert links
    assert [link for link in links if not link.startswith(("#", "?")) and link != ""] == []
    # keys, the search and the filter work,
    await expect(page.locator("#run-usage")).to_contain_text(" input, ")
    await page.get_by_role("searchbox").fill("h-20931")
    await expect(page.locator("#hits")).to_contain_text("4 hits")
    await expect(page.locator(".event.tool a.partner")).to_have_count(8)
    await page.locator("main").press("Escape")
    await page.keyboard.press("G")
    await expect(page.locator(".event.selected")).to_contain_text("run_completed")
    await page.get_by_label("Type").select_option(label="Tools")
    await expect(page.locator(".event")).to_have_count(8)
    # so do the times of the zone of the browser,
    await page.keyboard.press("t")
    await expect(page.get_by_role("button", name="Local")).to_be_visible()
    await expect(page.locator(".event time").first).to_have_attribute("title", re.compile(r"Z\n.*[+−]\d\d:\d\d$"))
    # and people who do not see can use it.
    assert await violations(page) == []


async def test_its_timeline_shows_the_steps_of_the_run_and_leads_to_their_events(page: Page, tmp_path: Path) -> None:
    await page.goto(await export(tmp_path, BOOKING, booking().messages))
    await page.locator("summary", has_text="Timeline").click()
    # Four calls of models, and four of tools.
    await expect(page.locator(".timeline a.step")).to_have_count(8)
    bar = await page.locator(".timeline .step rect").last.bounding_box()
    assert bar is not None
    assert bar["height"] > 8  # the drawing is SVG
    await page.get_by_role("link", name=re.compile("^tool fare_rules")).press("Enter")
    await expect(page.locator(".event.selected .type")).to_have_text("tool_succeeded")
    await expect(page.locator(".event.selected .payload")).to_contain_text("fare_rules")
    assert await violations(page) == []


async def test_hostile_content_stays_content(page: Page, tmp_path: Path) -> None:
    texts = {"system_prompt": HOSTILE, "user_prompt": json.dumps([{"role": HOSTILE, "content": HOSTILE}])}
    messages = [
        event("a", "llm_called", model=HOSTILE, raw_response=HOSTILE, **texts),
        event("b", "tool_requested", tool_name=HOSTILE, tool_args={HOSTILE: [HOSTILE]}),
        event("c", NAME),
        *(value for n, each in enumerate(corpus()) if each.reason is None and (value := each.value(f"{n}"))),
    ]
    await page.goto(await export(tmp_path, NAME, messages) + "#0")
    await expect(page.locator(".event.selected .prompt.answer")).to_contain_text("<script>alert(1)</script>")
    answer = page.locator(".event.selected .prompt.answer .escape")
    assert set(await answer.all_inner_texts()) >= {"\\x1b", "\\u202e", "\\ud800", "\\u3164", "\\U000e0148"}
    for number in (1, 2):
        await page.locator(f".event[data-index='{number}'] .toggle").click()
        await expect(page.locator(f".event[data-index='{number}'] .payload")).to_contain_text("record")
    await page.locator("summary", has_text="Timeline").click()
    await expect(page.locator(".timeline .step").first).to_have_attribute("aria-label", re.compile("<script>alert"))
    # To the end of the corpus, with every line shown once.
    await page.keyboard.press("G")
    await expect(page.locator(".event.selected .seq")).to_have_text(str(len(messages) - 1))
    assert await page.locator("script").count() == 1 + await page.locator("script[data-block]").count()


async def test_a_run_of_ten_thousand_events_opens_and_is_scrolled_to_its_end(page: Page, tmp_path: Path) -> None:
    chat = json.dumps([{"role": "user", "content": "word " * 400}])
    messages = [event(f"e{n}", "input", data={"n": n, "text": chat}) for n in range(10_000)]
    await page.goto(await export(tmp_path, "long", messages))
    await expect(page.locator(".event").first).to_contain_text('"n":0')
    await page.keyboard.press("G")
    await expect(page.locator(".event.selected")).to_contain_text('"n":9999')
    await page.keyboard.press("Enter")
    await expect(page.locator(".event.selected .payload")).to_contain_text("offset 9999")
    assert await page.locator(".event").count() < 200


async def test_a_page_shows_one_run(tmp_path: Path) -> None:
    ran = await agent_runs({}, "export", "a", "b", "--html", "-f", str(tmp_path / "page.html"))
    assert ran.exit_code == 2
    assert "a page shows one run" in ran.errors
    file = write_run(tmp_path / "run.jsonl", "a", [])
    missing = await agent_runs({}, "--file", str(file), "export", "b", "--html", "-f", str(tmp_path / "page.html"))
    assert missing.exit_code == 2
    assert "there is no run 'b'" in missing.errors
    assert not (tmp_path / "page.html").exists()


async def test_a_page_that_is_too_large_for_a_browser_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("viewer.offline.MAX_BYTES", 90_000)
    file = write_run(tmp_path / "run.jsonl", "a", [decode_event(event("e", data=token_hex(20_000)))])
    ran = await agent_runs({}, "--file", str(file), "export", "a", "--html", "-f", str(tmp_path / "page.html"))
    assert ran.exit_code == 2
    assert "leave out --html to write a run file" in ran.errors
    assert not (tmp_path / "page.html").exists()
    assert not (tmp_path / "page.html.partial").exists()
