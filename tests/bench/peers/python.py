"""Peers that are Python programs, run with the packages of `requirements/peers.txt`."""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.bench.peers.tables import TABLE, check, make
from tests.bench.placement import Placed, numbered
from tests.bench.programs import run_process
from tests.bench.stage import Load, Stage
from tests.bench.tables import Tables
from tests.bench.turns import Contestant
from tests.support.servers.databases import CHECKOUT

PYTHON: Final = CHECKOUT / ".venv-peers" / "bin" / "python"
_HERE: Final = Path(__file__).parent


def quix(stage: Stage, load: Load) -> Contestant:
    """Quix Streams' PostgreSQL sink, upserting on the event id."""
    events = len(load.placed)

    async def work(tables: Tables) -> None:
        await make(tables)
        arguments = [stage.bootstrap_servers, tables.url, load.topic, str(events)]
        await asyncio.to_thread(run_process, [str(PYTHON), str(_HERE / "quix_sink.py"), *arguments], {})
        await check(tables, events)

    return Contestant("Quix Streams", work, events, TABLE)


def recorder(placed: Sequence[Placed], at_once: int) -> Contestant:
    """`eventsourcing`'s recorder, so many events a transaction; without Kafka."""
    counts: Counter[str] = Counter()
    rows = []
    for record in placed:
        event, event_seq = numbered(record, counts)
        rows.append([event.run_id, event_seq, event.envelope.type, event.value.decode()])
    given = json.dumps(rows).encode()

    async def work(tables: Tables) -> None:
        await asyncio.to_thread(
            run_process, [str(PYTHON), str(_HERE / "recorder.py"), tables.url, str(at_once)], {}, given
        )

    return Contestant(f"eventsourcing, {at_once} a transaction", work, len(placed), "stored_events")
