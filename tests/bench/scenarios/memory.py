"""Measures the consumer's memory while it stores large messages."""

from typing import Any, Final

from rich.console import Console

from tests.bench import report
from tests.bench.database import check_stored, fresh_database
from tests.bench.records import plan_records
from tests.bench.servers import PARTITIONS, Servers, temporary_topic
from tests.bench.systems import run_consumer
from tests.bench.workload import long_prompts

_SEED: Final = 4
_MESSAGES: Final = 2000
_SIZE_BYTES: Final = 1_000_000
_TOPIC: Final = "large"


async def measure(servers: Servers, console: Console) -> dict[str, Any]:
    """Return the largest resident set of the consumer, and the duration."""
    console.print(f"Storing {_MESSAGES:,} messages of 1 MB")
    records = plan_records(long_prompts(_SEED, _MESSAGES, _SIZE_BYTES), PARTITIONS)
    async with temporary_topic(servers, _TOPIC, records), fresh_database(servers.template) as database:
        [usage] = await run_consumer(servers, database, _TOPIC)
        [(stored, _)] = await database.fetch("stored_and_repeated")
    check_stored("the consumer", stored, _MESSAGES)
    return {"messages": _MESSAGES, "size_bytes": _SIZE_BYTES, "memory_mib": usage.memory_mib, "wall_s": usage.wall_s}


def to_table(figures: dict[str, Any]) -> str:
    """Format the figures as a table with one row."""
    cells = (f"{figures['messages']:,}", f"{figures['memory_mib']:.0f}", f"{figures['wall_s']:.1f}")
    return report.table(("messages of 1 MB", "memory, MiB", "duration, s"), [cells])
