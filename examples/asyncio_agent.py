"""An agent in asyncio: it starts a child run for each article, and each child run calls its tools concurrently.

    .venv/bin/python examples/asyncio_agent.py

Set up the environment as for plain_agent.py. Publishing an event needs no `await`: it is an ordinary call that returns
at once.
"""

import asyncio
import logging
import random

from agent_runs import Emitter, Run

SHOPS = ("Berlin", "Lyon", "Torino")
ARTICLES = ("descaler", "grinder", "cup holder")


async def look_up(run: Run, shop: str, article: str) -> int:
    """Call the tool `stock`. Other calls of the same run are in progress; each result names its own request."""
    async with run.tool("stock", {"shop": shop, "article": article}) as call:
        await asyncio.sleep(random.uniform(0.01, 0.1))
        if shop == "Torino" and article == "grinder":
            raise TimeoutError("the shop did not answer")
        call.result = {"pieces": random.randrange(20)}
    return int(call.result["pieces"])


async def count(run: Run, article: str) -> int:
    """Ask all shops in a child run, and count the pieces of those that answer."""
    async with run:
        run.input("message_from_user", {"article": article})
        answers = await asyncio.gather(*(look_up(run, shop, article) for shop in SHOPS), return_exceptions=True)
        pieces = sum(answer for answer in answers if isinstance(answer, int))
        run.run_completed({"pieces": pieces})
    return pieces


async def main() -> None:
    """Start a child run for each article, and wait for all of them."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    async with Emitter() as emitter, emitter.start_run(agent_id="stock-taker") as run:
        children = [run.child(agent_id="stock-counter") for _ in ARTICLES]
        totals = await asyncio.gather(*map(count, children, ARTICLES))
        run.run_completed(dict(zip(ARTICLES, totals, strict=True)))
    print(f"run {run.id} and its children {', '.join(child.id for child in children)}: {totals}")


if __name__ == "__main__":
    asyncio.run(main())
