"""Large messages: what they take of the consumer's memory."""

from typing import Any, Final

from rich.console import Console

from tests.bench import report
from tests.bench.contestants import consume
from tests.bench.placement import place
from tests.bench.stage import PARTITIONS, Stage, published
from tests.bench.tables import check_stored, fresh_tables
from tests.bench.workload import long_prompts

_SEED: Final = 4
_MESSAGES: Final = 2000
_SIZE_BYTES: Final = 1_000_000
_TOPIC: Final = "large"


async def measure(stage: Stage, console: Console) -> dict[str, Any]:
    """The most memory that the consumer had resident."""
    console.print(f"Storing {_MESSAGES:,} messages of a megabyte")
    placed = place(long_prompts(_SEED, _MESSAGES, _SIZE_BYTES), PARTITIONS)
    async with published(stage, _TOPIC, placed), fresh_tables(stage.template) as tables:
        [ended] = await consume(stage, tables, _TOPIC)
        [(stored, _)] = await tables.fetch("stored_and_repeated")
    check_stored("the consumer", stored, _MESSAGES)
    return {"messages": _MESSAGES, "size_bytes": _SIZE_BYTES, "memory_mib": ended.memory_mib, "wall_s": ended.wall_s}


def show(figures: dict[str, Any]) -> str:
    """One line."""
    cells = (f"{figures['messages']:,}", f"{figures['memory_mib']:.0f}", f"{figures['wall_s']:.1f}")
    return report.table(("messages of 1 MB", "memory, MiB", "whole, s"), [cells])
