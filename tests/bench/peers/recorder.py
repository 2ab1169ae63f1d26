"""`python recorder.py DATABASE_URL EVENTS_A_CALL < EVENTS`: the recorder of the `eventsourcing` library.

On standard input a JSON array of [run id, number within the run, type, message] for each event.
"""

import json
import sys
from urllib.parse import urlsplit
from uuid import NAMESPACE_OID, uuid5

from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresAggregateRecorder, PostgresDatastore


def main(url: str, at_once: str) -> None:
    """Insert them, so many in each transaction, into the library's own table."""
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
    step = int(at_once)
    for start in range(0, len(events), step):
        recorder.insert_events(events[start : start + step])
    datastore.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
