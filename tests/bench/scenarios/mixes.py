"""Measures workloads other than the standard one: small events, long prompts, one run, one event in each run."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from rich.console import Console

from tests.bench import report
from tests.bench.measurement import run_rounds, summarise
from tests.bench.records import plan_records
from tests.bench.servers import PARTITIONS, Dataset, Servers, temporary_topic
from tests.bench.systems import ceiling, consumer
from tests.bench.workload import Message, long_prompts, one_event_a_run, one_run, small_messages

_SEED: Final = 2
_ROUNDS: Final = 3


class Workload(NamedTuple):
    """A workload.

    Attributes:
        messages: generates messages; the arguments are a seed and the number of messages.
        short: the number of events without `--full`.
        full: the number of events with `--full`.
    """

    name: str
    messages: Callable[[int, int], list[Message]]
    short: int
    full: int


WORKLOADS: Final = (
    Workload("350 bytes", small_messages, 200_000, 400_000),
    Workload("50 kB prompts", long_prompts, 10_000, 20_000),
    Workload("one hot run", one_run, 100_000, 200_000),
    Workload("one event a run", one_event_a_run, 100_000, 1_000_000),
)


async def measure(servers: Servers, console: Console, *, full: bool) -> dict[str, Any]:
    """Return the medians of the consumer and the ceiling, for each workload."""
    return {workload.name: await _measure(workload, servers, console, full=full) for workload in WORKLOADS}


async def _measure(workload: Workload, servers: Servers, console: Console, *, full: bool) -> dict[str, Any]:
    events = workload.full if full else workload.short
    console.print(f"{workload.name}: {events:,} events")
    topic = workload.name.replace(" ", "-")
    dataset = Dataset(topic, list(plan_records(workload.messages(_SEED, events), PARTITIONS)))
    async with temporary_topic(servers, topic, dataset.records):
        systems = [ceiling(dataset), consumer(servers, dataset, 2)]
        measured = await run_rounds(systems, servers, _ROUNDS, console)
    return {"events": events, "medians": summarise(systems, measured)}


def to_table(figures: dict[str, Any]) -> str:
    """Format one row for each system and workload."""
    return report.throughput_table(
        {
            f"{workload}, {measured['events']:,}: {name}": summary
            for workload, measured in figures.items()
            for name, summary in measured["medians"].items()
        }
    )
