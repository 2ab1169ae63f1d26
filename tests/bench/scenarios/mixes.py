"""Other events than the mix: small ones, long prompts, one run that has all of them, runs that have one."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from rich.console import Console

from tests.bench import report
from tests.bench.contestants import ceiling, consumer
from tests.bench.placement import place
from tests.bench.rounds import play, summarise
from tests.bench.stage import PARTITIONS, Load, Stage, published
from tests.bench.workload import Message, long_prompts, one_event_a_run, one_run, small_messages

_SEED: Final = 2
_ROUNDS: Final = 3


class Mix(NamedTuple):
    """What is published, and how many in the short form and in the full one."""

    name: str
    messages: Callable[[int, int], list[Message]]
    short: int
    full: int


MIXES: Final = (
    Mix("350 bytes", small_messages, 200_000, 400_000),
    Mix("50 kB prompts", long_prompts, 10_000, 20_000),
    Mix("one hot run", one_run, 100_000, 200_000),
    Mix("one event a run", one_event_a_run, 100_000, 1_000_000),
)


async def measure(stage: Stage, console: Console, *, full: bool) -> dict[str, Any]:
    """Each of them, beside the ceiling for the same events."""
    return {mix.name: await _measure(mix, stage, console, full=full) for mix in MIXES}


async def _measure(mix: Mix, stage: Stage, console: Console, *, full: bool) -> dict[str, Any]:
    events = mix.full if full else mix.short
    console.print(f"{mix.name}: {events:,} events")
    topic = mix.name.replace(" ", "-")
    loaded = Load(topic, list(place(mix.messages(_SEED, events), PARTITIONS)))
    async with published(stage, topic, loaded.placed):
        contestants = [ceiling(loaded), consumer(stage, loaded, 2)]
        played = await play(contestants, stage, _ROUNDS, console)
    return {"events": events, "medians": summarise(contestants, played)}


def show(figures: dict[str, Any]) -> str:
    """A line for each contestant of each mix."""
    return report.speeds(
        {
            f"{mix}, {measured['events']:,}: {name}": summary
            for mix, measured in figures.items()
            for name, summary in measured["medians"].items()
        }
    )
