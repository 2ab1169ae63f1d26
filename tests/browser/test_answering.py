"""A human answers the questions of agents in a real browser, with a real Kafka and the service."""

import pytest
from playwright.async_api import Page, expect

from tests.support.messages import Message, event
from tests.support.scene import MakeScene
from tests.support.viewer_process import running_viewer

pytestmark = pytest.mark.asyncio(loop_scope="session")


def asks(question_id: str, text: str) -> bytes:
    return event(question_id, "tool_requested", tool_name="ask_human", tool_args={"question": text})


async def test_questions_are_answered_and_the_page_shows_when_the_answers_are_stored(
    page: Page, make_scene: MakeScene
) -> None:
    # Given an inbox with two questions,
    scene = await make_scene()
    await scene.publish(
        *(Message(b"run", each) for each in (event("s"), asks("one", "Refund?"), asks("two", "Which?")))
    )
    await scene.consume()
    async with running_viewer(scene.database, scene.directory, **scene.kafka_environ) as port:
        desk = f"http://127.0.0.1:{port}"
        await page.goto(f"{desk}/inbox")
        first, second = (page.locator(".inbox .question", has_text=text) for text in ("Refund?", "Which?"))
        # when one is answered with the keyboard and the other one with a button,
        for key in ("j", "Enter"):
            await page.keyboard.press(key)
        await page.keyboard.type("only half")
        await page.keyboard.press("Control+Enter")
        await expect(first.get_by_role("status")).to_have_text("Sent. Waiting until it is stored…")
        await second.get_by_role("button", name="Yes").click()
        await expect(second.get_by_role("status")).to_contain_text("Sent.")
        # and a third one is asked meanwhile,
        await scene.publish(Message(b"other", asks("three", "And now?")))
        await scene.consume()
        # then the page shows that both are stored, and that there is a new one.
        await expect(first.get_by_role("status")).to_contain_text("Stored as event 3; the run is running.")
        await expect(second.get_by_role("status")).to_contain_text("Stored as event 4")
        await page.get_by_role("status").get_by_text("1 new waiting run").click()
        await expect(page.locator(".inbox .question")).to_have_count(1)
        # On the page of the run, JSON can be sent; what is not JSON is refused before.
        await page.get_by_role("link", name="other").click()
        await expect(page.locator("#live")).to_have_text("Live")  # the script runs
        await page.get_by_label("JSON").check()
        answer = page.get_by_label("Answer")
        await answer.fill("{later")
        await page.get_by_role("button", name="Send").click()
        await expect(page.locator(".outcome")).to_contain_text("The answer is not JSON")
        await answer.fill('{"later": 12345678901234567890}')
        await page.get_by_role("button", name="Send").click()
        await expect(page.locator(".outcome")).to_contain_text("Sent.")
        await scene.consume()
        await expect(page.locator(".event", has_text='{"later":12345678901234567890}')).to_be_visible()
        # Without scripts, a form leads to the page of its question, which loads itself until the answer is stored.
        await scene.publish(Message(b"plain", asks("line\nbreak", "Refund?")))
        await scene.consume()
        assert page.context.browser is not None
        context = await page.context.browser.new_context(java_script_enabled=False)
        plain = await context.new_page()
        await plain.goto(f"{desk}/inbox")
        await plain.get_by_label("Your name").fill("Ada")
        await plain.get_by_role("button", name="No").click()
        await expect(plain.get_by_role("heading", level=1)).to_have_text("Sent")
        await scene.consume()
        await expect(plain.get_by_role("heading", level=1)).to_have_text("Answered")
        await expect(plain.locator(".facts")).to_contain_text("Ada")
        await context.close()
        await page.close()  # before the viewer ends, which would be an error in its console
