"""Measures the throughput of every system with the standard workload."""

from typing import Any, Final

from rich.console import Console

from tests.bench import report
from tests.bench.measurement import System, run_rounds, summarise
from tests.bench.original import original
from tests.bench.peers.debezium import debezium
from tests.bench.peers.flat_events import flatten
from tests.bench.peers.python_peers import eventsourcing, quix
from tests.bench.servers import Dataset, Servers, publish
from tests.bench.systems import ceiling, consumer

_EVENTS_OF_ORIGINAL: Final = 10_000
_FLAT_TOPIC: Final = "flat"


async def measure(servers: Servers, dataset: Dataset, rounds: int, console: Console, *, peers: bool) -> dict[str, Any]:
    """Return the medians of each system, and the results of every round."""
    systems = [
        *(ceiling(dataset), ceiling(dataset, 2)),
        *(consumer(servers, dataset, lanes) for lanes in (1, 2, 3)),
        *(consumer(servers, dataset, lanes, processes=2) for lanes in (1, 2)),
        original(servers, dataset, _EVENTS_OF_ORIGINAL),
        *(await _peers(servers, dataset) if peers else ()),
    ]
    measured = await run_rounds(systems, servers, rounds, console)
    results_by_round = [{name: result._asdict() for name, result in results.items()} for results in measured]
    return {"medians": summarise(systems, measured), "rounds": results_by_round}


async def _peers(servers: Servers, dataset: Dataset) -> list[System]:
    await publish(servers, _FLAT_TOPIC, flatten(dataset.records))
    flat = Dataset(_FLAT_TOPIC, dataset.records)
    return [
        *(debezium(servers, flat, tasks, safe=safe) for safe in (False, True) for tasks in (1, 2)),
        quix(servers, flat),
        *(eventsourcing(dataset.records[: 100 * size], size) for size in (50, 1000)),
    ]


def to_table(figures: dict[str, Any]) -> str:
    """Format one row for each system."""
    return report.throughput_table(figures["medians"])
