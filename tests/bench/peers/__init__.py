"""Other programs that store events in PostgreSQL, with the settings that their documentation recommends for speed.

`make bench-peers` measures them. `debezium` runs Kafka Connect; `python_peers` runs Quix Streams (`quix_sink`) and
eventsourcing (`eventsourcing_recorder`), both with the packages of requirements/peers.txt. They store `flat_events`
in a `peer_table`. `lock` changes the locked versions of Kafka Connect and Debezium.
"""
