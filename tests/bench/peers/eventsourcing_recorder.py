"""`python eventsourcing_recorder.py DATABASE_URL TRANSACTION_EVENTS < EVENTS`: stores events with `eventsourcing`.

Standard input is a JSON array with [run id, number within the run, type, message] for each event.
The settings are the library's defaults.
"""

import json
import sys
from urllib.parse import urlsplit
from uuid import NAMESPACE_OID, uuid5

from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresAggregateRecorder, PostgresDatastore


def main(url: str, transaction_events: str) -> None:
    """Insert the events into the library's own table, `transaction_events` in each transaction."""
    address = urlsplit(url)
    datastore = PostgresDatastore(
        address.path.lstrip("/"), address.hostname or "", address.port or 5432, address.username or "", ""
    )
    recorder = PostgresAggregateRecorder(datastore)
    recorder.create_table()
    events = [
        StoredEvent(uuid5(NAMESPACE_OID, run_id), number, event_type, message.encode())
        for run_id, number, event_type, message in json.load(sys.stdin)
    ]
    step = int(transaction_events)
    for start in range(0, len(events), step):
        recorder.insert_events(events[start : start + step])
    datastore.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
