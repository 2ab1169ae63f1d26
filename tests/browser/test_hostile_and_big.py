"""Runs that try to harm the page, and runs that are too long for it, in a real browser."""

import json
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.async_api import Page, expect

from tests.browser.accessibility import violations
from tests.support.corpus import corpus
from tests.support.messages import event
from tests.support.servers.clients import execute
from tests.support.stored_runs import insert_run
from tests.support.viewer_process import running_viewer

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOSTILE = "</script></textarea><script>alert(1)</script><img src=x onerror=alert(1)>\"'&\x1b[31m\u202egnp\u202c<!--"
BIG = 200_000
INSERT_BIG = """
    INSERT INTO run_events (run_id, event_seq, id, parent_event_id, event_type, event_data, created_at,
                            source_partition, source_offset, raw)
    SELECT 'big', n, 'e' || n, NULL, 'input',
           jsonb_build_object('type', 'input', 'id', 'e' || n, 'parent_event_id', NULL,
                              'timestamp', '2026-01-31T12:00:00Z', 'tool', 'clock',
                              'data', jsonb_build_object('n', n, 'pad', repeat(md5(n::text), 8))),
           '2026-01-01T00:00:00Z'::timestamptz + n * interval '1 ms', 0, n, NULL
      FROM generate_series(0, 200000 - 1) AS n
"""


async def test_what_runs_contain_runs_nothing_and_loads_nothing(page: Page, database: str, tmp_path: Path) -> None:
    question = event("q", "tool_requested", tool_name="ask_human", tool_args={"question": HOSTILE})
    chat = json.dumps([{"role": HOSTILE, "content": HOSTILE}])
    fields = {"model": HOSTILE, "system_prompt": HOSTILE, "raw_response": HOSTILE, "usage": {HOSTILE: 1}}
    messages = [
        event("a", "llm_called", **fields, user_prompt=HOSTILE),
        event("b", "llm_called", **fields, user_prompt=chat),
        question,
        event("c", HOSTILE),
        event("d", "tool_failed", parent_event_id="q", tool_name=HOSTILE, error=HOSTILE),
        event("e", "run_failed", error=HOSTILE),
    ]
    asked = [{"id": "q", "tool_name": "ask_human"}]
    columns = {"agent": HOSTILE, "session": HOSTILE, "labels": {HOSTILE: HOSTILE}, "questions": asked}
    await insert_run(database, HOSTILE, 1, messages, status="failed", **columns)
    samples = [value for n, each in enumerate(corpus()) if each.reason is None and (value := each.value(f"{n}"))]
    storable = [value for value in samples if _is_plain(value)]
    await insert_run(database, "corpus", 2, storable)
    here = f"/runs/{quote(HOSTILE, safe='')}"
    async with running_viewer(database, tmp_path, KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1") as port:
        for path in (
            *("/", "/inbox", "/operations", f"/compare?a={quote(HOSTILE)}&b=corpus", f"{here}/timeline"),
            *(f"{here}/calls/1", f"{here}/calls/2", f"{here}/calls/2?view=whole", f"{here}?q={quote('<script>')}"),
        ):
            await page.goto(f"http://127.0.0.1:{port}{path}")
            await page.wait_for_load_state("networkidle" if path in ("/operations", "/compare") else "load")
        for run, count in ((here, len(messages)), ("/runs/corpus", len(storable))):
            await page.goto(f"http://127.0.0.1:{port}{run}")
            await expect(page.locator("#live")).to_have_text("Live")
            await page.locator(".event:not(.blank)").first.wait_for()
            # The first lines are opened with the keyboard, which shows their payloads.
            for number in range(min(count, 15)):
                await page.keyboard.press("j")
                await page.keyboard.press("Enter")
                await expect(page.locator(f".event[data-index='{number}'] .payload")).to_contain_text("offset")
        # From the start: the bar of the events hides a part of what is below it, and a link would be too small.
        await page.evaluate("scrollTo(0, 0)")
        await expect(page.locator(".event[data-index='0'] .payload")).to_contain_text("offset")
        assert await violations(page) == []


def _is_plain(message: bytes) -> bool:
    """Whether the helper that inserts events can read a message, and JSONB can hold its numbers."""
    try:
        json.dumps(json.loads(message), allow_nan=False)
    except ValueError:
        return False
    return message.count(b"[") + message.count(b"{") < 100


@pytest.mark.slow
async def test_a_run_of_two_hundred_thousand_events_is_scrolled_to_its_end(
    page: Page, database: str, tmp_path: Path
) -> None:
    await insert_run(database, "big", 1, [])
    await execute(database, INSERT_BIG)
    await execute(database, "UPDATE agent_runs SET event_count = 200000 WHERE id = 'big'")
    async with running_viewer(database, tmp_path) as port:
        await page.goto(f"http://127.0.0.1:{port}/runs/big")
        await expect(page.locator(".event").first).to_contain_text('"n":0')
        # Through the list in steps, and to its end; only the lines in view are in the page.
        for part in range(1, 10):
            await page.evaluate("part => scrollTo(0, document.documentElement.scrollHeight * part / 10)", part)
            await expect(page.locator(".event:not(.blank)").first).to_contain_text('"n":')
        await page.keyboard.press("G")
        await expect(page.locator(".event.selected")).to_contain_text(f'"n":{BIG - 1}')
        assert await page.locator(".event").count() < 200
        heap = await page.evaluate("performance.memory.usedJSHeapSize")
        assert heap < 150 * 1024 * 1024
        # A link to an event in the middle shows it.
        await page.goto(f"http://127.0.0.1:{port}/runs/big#123456")
        await page.reload()
        await expect(page.locator(".event.selected .payload")).to_contain_text("e123456")
