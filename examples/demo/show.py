"""The show itself: who does what when, until everything that was published has found its place."""

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from examples.demo import hostile
from examples.demo.agents import conversations
from examples.demo.books import Numbers
from examples.demo.errors import DemoFailed
from examples.demo.publisher import play
from examples.demo.screen import View
from examples.demo.stage import Stage

SEED = 7
LOOK_EVERY_S = 0.2
CATCH_UP_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended: the numbers after the last record, and what the publisher knows to compare them with."""

    numbers: Numbers
    published: int
    told: Mapping[str, Sequence[str]]
    killed_at: datetime


async def perform(stage: Stage) -> Outcome:
    """Play all acts and watch, until they are over and the consumers have passed every record.

    Raises:
        DemoFailed: a consumer ended by itself, or they don't catch up.
    """
    acts = asyncio.create_task(_play_acts(stage))
    try:
        numbers = await _watch(stage, acts)
    finally:
        acts.cancel()
    stage.screen.say("every agent has finished or waits for a human; lag 0")
    return Outcome(numbers, stage.publisher.accepted, stage.publisher.told, killed_at=acts.result())


async def _play_acts(stage: Stage) -> datetime:
    """All of them, side by side. When the consumer was killed."""
    agents = list(conversations(stage.plan.conversations, SEED, stage.now))
    stage.screen.say(f"two consumers are ready; {len(agents)} agents begin")
    killed_at, *_ = await asyncio.gather(
        _crash(stage),
        play(agents, stage.publisher, stage.plan.begin_within_s),
        _intrude(stage),
    )
    await stage.publisher.flush()
    return killed_at


async def _crash(stage: Stage) -> datetime:
    """One consumer dies without a word; some time later an operator starts another. When it died."""
    await stage.wait(stage.plan.kill_after)
    victim = stage.fleet.consumers[0]
    members = await stage.fleet.settled()
    killed_at = stage.now()
    await victim.kill()
    stage.screen.say(f"[bold red]{victim.name} killed[/] with SIGKILL, in the middle of whatever it was doing")
    await stage.wait(stage.plan.replace_after - stage.plan.kill_after)
    successor = await stage.fleet.start()
    stage.screen.say(f"[green]{successor.name} started[/] in its place")
    await stage.fleet.settled(others_than=members)
    stage.screen.say(f"[green]{successor.name} has its share[/]: Kafka has divided the partitions anew")
    return killed_at


async def _intrude(stage: Stage) -> None:
    """A foreign producer uses the topic too."""
    await stage.wait(stage.plan.intrude_after)
    messages = list(hostile.messages(stage.now()))
    wrong = sum(message.rejected_as is not None for message in messages)
    stage.screen.say(f"[yellow]a foreign producer[/] sends {len(messages)} records, {wrong} of them wrong")
    for message in messages:
        await stage.publisher.send(message.key, message.value)


async def _watch(stage: Stage, acts: "asyncio.Task[datetime]") -> Numbers:
    """Show how things stand, again and again, until the acts are over and there is nothing left to consume."""
    deadline = math.inf
    while True:
        over = acts.done()  # looked at before the numbers, so that numbers of "over" are of everything
        numbers = await stage.books.numbers()
        stage.screen.show(View(numbers, stage.publisher.accepted, stage.fleet.consumers))
        stage.fleet.check()
        if over:
            acts.result()
            if numbers.lag == 0:
                return numbers
            deadline = min(deadline, time.monotonic() + CATCH_UP_TIMEOUT_S)
        if time.monotonic() > deadline:
            raise DemoFailed(f"the consumers did not catch up within {CATCH_UP_TIMEOUT_S:.0f} s: lag {numbers.lag}")
        await asyncio.sleep(LOOK_EVERY_S)
