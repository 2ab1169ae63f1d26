"""`python quix_sink.py BROKER DATABASE_URL TOPIC EVENTS`: stores events with Quix Streams' PostgreSQL sink.

The settings are the library's defaults, except the sizes of batches and fetches, which are chosen here.
"""

import sys
from datetime import UTC, datetime
from urllib.parse import urlsplit
from uuid import uuid4

from quixstreams import Application
from quixstreams.sinks.community.postgresql import PostgreSQLSink


def main(broker: str, url: str, topic: str, events: str) -> None:
    """Store the first `events` of the flat topic in `peer_events`."""
    address = urlsplit(url)
    application = Application(
        broker_address=broker,
        consumer_group=f"quix-{uuid4().hex}",
        auto_offset_reset="earliest",
        auto_create_topics=False,
        # The size of a batch. Other sizes were not measured.
        commit_every=5000,
        commit_interval=5.0,
        loglevel="WARNING",
        consumer_extra_config={"fetch.message.max.bytes": 4 * 1024 * 1024},
    )
    sink = PostgreSQLSink(
        host=address.hostname or "",
        port=address.port or 5432,
        dbname=address.path.lstrip("/"),
        user=address.username or "",
        password="",
        table_name="peer_events",
        schema_auto_update=False,
        primary_key_columns=["run_id", "id"],
        upsert_on_primary_key=True,
        include_metadata=False,
    )
    frame = application.dataframe(application.topic(topic, value_deserializer="json"))
    frame.apply(_row).sink(sink)
    application.run(count=int(events), collect=False)


def _row(event: dict[str, object]) -> dict[str, object]:
    return {**event, "created_at": datetime.fromtimestamp(int(str(event["created_at"])) / 1000, UTC)}


if __name__ == "__main__":
    main(*sys.argv[1:])
