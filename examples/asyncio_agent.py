"""An agent in asyncio: it spawns a run for each question, and each of them calls its tools side by side.

    .venv/bin/python examples/asyncio_agent.py      (with the environment of plain_agent.py)

Nothing is awaited for the sake of an event: emitting is an ordinary call that returns at once.
"""

import asyncio
import logging
import random

from agent_runs import Emitter, Run

SHOPS = ("Berlin", "Lyon", "Torino")
QUESTIONS = ("descaler", "grinder", "cup holder")


async def look_up(run: Run, shop: str, article: str) -> int:
    """One of several tool calls that are under way at the same time; each answer names its own request."""
    async with run.tool("stock", {"shop": shop, "article": article}) as call:
        await asyncio.sleep(random.uniform(0.01, 0.1))
        if shop == "Torino" and article == "grinder":
            raise TimeoutError("the shop does not answer")
        call.result = {"pieces": random.randrange(20)}
    return int(call.result["pieces"])


async def count(run: Run, article: str) -> int:
    """A child run: it asks all shops, and does without those that don't answer."""
    async with run:
        run.input("message_from_user", {"article": article})
        answers = await asyncio.gather(*(look_up(run, shop, article) for shop in SHOPS), return_exceptions=True)
        pieces = sum(answer for answer in answers if isinstance(answer, int))
        run.run_completed({"pieces": pieces})
    return pieces


async def main() -> None:
    """Spawn the children, and wait for all of them."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    async with Emitter() as emitter, emitter.start_run(agent_id="stock-taker") as run:
        children = [run.child(agent_id="stock-counter") for _ in QUESTIONS]
        totals = await asyncio.gather(*map(count, children, QUESTIONS))
        run.run_completed(dict(zip(QUESTIONS, totals, strict=True)))
    print(f"run {run.id} and its children {', '.join(child.id for child in children)}: {totals}")


if __name__ == "__main__":
    asyncio.run(main())
