"""A run that is executed, in a real browser: agents, Kafka, consumers, PostgreSQL and the viewer."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from agent_runs import Emitter
from tests.support.scene import Scene
from tests.support.viewer_process import running_viewer

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def viewer(scene: Scene) -> AsyncIterator[str]:
    """The address of a viewer of a scene, which can answer questions."""
    async with running_viewer(scene.database, scene.directory, **scene.kafka_environ) as port:
        yield f"http://127.0.0.1:{port}"


async def test_a_page_follows_its_run_while_a_consumer_is_killed(page: Page, scene: Scene, viewer: str) -> None:
    scene.start()
    with Emitter(environ=scene.environ()) as emitter, emitter.start_run(agent_id="agent") as run:
        run.input("message_from_user", {"text": "word 1"})
        await asyncio.to_thread(emitter.flush)
        await scene.wait_until_drained()
        await page.goto(f"{viewer}/runs/{run.id}")
        await expect(page.locator("#live")).to_have_text("Live")
        await expect(page.locator(".event")).to_have_count(2)
        # The first line of the list does not move while others come below it.
        top = await page.locator(".event").first.bounding_box()
        for number in range(2, 6):
            if number == 4:
                scene.consumers[0].kill()
                scene.start()
            run.input("message_from_user", {"text": f"word {number}"})
            await expect(page.locator(".event").last).to_contain_text(f"word {number}")
        assert await page.locator(".event").first.bounding_box() == top
    await expect(page.locator("#run-status")).to_contain_text("completed")
    await expect(page.locator("#run-events")).to_have_text("7")
    # Each event is there once, in the order in which it was published.
    shown = await page.locator(".event .seq").all_inner_texts()
    assert shown == [str(number) for number in range(7)]


async def test_a_question_is_answered_and_its_run_completes(page: Page, scene: Scene, viewer: str) -> None:
    scene.start()
    # Given an agent that waits for an answer, and continues with it,
    with Emitter(environ=scene.environ()) as emitter:
        run = emitter.start_run(agent_id="refund-desk")
        question = run.tool_requested("ask_human", {"question": "Refund EUR 189?"})
        await asyncio.to_thread(emitter.flush)
        await scene.wait_until_drained()
        await page.goto(f"{viewer}/inbox")
        await expect(page.locator("main")).to_contain_text("Refund EUR 189?")
        # when its page is opened, and the answer typed and sent with the keyboard,
        await page.goto(f"{viewer}/runs/{run.id}")
        await expect(page.locator("#live")).to_have_text("Live")
        box = page.get_by_role("textbox", name="Answer")
        await box.fill("yes, all of it")
        await box.press("Control+Enter")
        # then the page says that the answer is stored, and shows it below the question;
        await expect(page.locator(".outcome")).to_contain_text("tored")
        await expect(page.locator(".event").last).to_contain_text("yes, all of it")
        # the agent completes the run, and the page shows that too.
        (answered,) = await scene.rows("SELECT parent_event_id FROM run_events WHERE event_type = 'tool_succeeded'")
        assert answered == (question,)
        run.run_completed({"refund": 189})
    await expect(page.locator("#run-status")).to_contain_text("completed")


async def test_a_list_says_that_its_connection_is_lost_until_it_is_back(page: Page, desk: str) -> None:
    # Given a stream that ends as soon as it is opened, which the browser then opens again,
    streams = "**/api/live/runs*"
    await page.route(streams, lambda route: route.fulfill(content_type="text/event-stream", body="retry: 200\n\n"))
    await page.goto(desk)
    notice = page.locator("#new-items")
    await expect(notice).to_have_text("Connection lost; trying again")
    first = await page.locator(".runs tbody tr").first.bounding_box()
    # when it stays open again, then the notice is gone, and no row has moved.
    await page.unroute(streams)
    await expect(notice).to_be_hidden()
    await expect(notice).to_have_text("")
    assert await page.locator(".runs tbody tr").first.bounding_box() == first
