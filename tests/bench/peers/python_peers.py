"""The peers that are Python programs. They run in `.venv-peers`, with the packages of requirements/peers.txt."""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.bench.database import Database
from tests.bench.measurement import System
from tests.bench.peers.peer_table import TABLE, check_table, create_table
from tests.bench.processes import run_process
from tests.bench.records import PlannedRecord, numbered_event
from tests.bench.servers import Dataset, Servers
from tests.support.paths import CHECKOUT

PYTHON: Final = CHECKOUT / ".venv-peers" / "bin" / "python"
_PEERS: Final = Path(__file__).parent


def quix(servers: Servers, dataset: Dataset) -> System:
    """Return Quix Streams' PostgreSQL sink as a system, with an upsert by `(run_id, id)`."""
    events = len(dataset.records)

    async def run(database: Database) -> None:
        await create_table(database)
        arguments = [servers.bootstrap_servers, database.url, dataset.topic, str(events)]
        await asyncio.to_thread(run_process, [str(PYTHON), str(_PEERS / "quix_sink.py"), *arguments], {})
        await check_table(database, events)

    return System("Quix Streams", run, events, TABLE)


def eventsourcing(records: Sequence[PlannedRecord], transaction_events: int) -> System:
    """Return the recorder of `eventsourcing`, without Kafka, as a system with `transaction_events` in a transaction."""
    counts: Counter[str] = Counter()
    rows = []
    for record in records:
        event, event_seq = numbered_event(record, counts)
        rows.append([event.run_id, event_seq, event.envelope.type, event.value.decode()])
    stdin = json.dumps(rows).encode()

    async def run(database: Database) -> None:
        script = str(_PEERS / "eventsourcing_recorder.py")
        command = [str(PYTHON), script, database.url, str(transaction_events)]
        await asyncio.to_thread(run_process, command, {}, stdin)

    return System(f"eventsourcing, {transaction_events} a transaction", run, len(records), "stored_events")
