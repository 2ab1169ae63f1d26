"""Other programs that store events in PostgreSQL. Each module names the source of its program's settings.

`make bench-peers` measures them. `debezium` runs Kafka Connect; `python_peers` runs Quix Streams (`quix_sink`) and
eventsourcing (`eventsourcing_recorder`), both with the packages of requirements/peers.txt. Debezium and Quix Streams
store `flat_events` in a `peer_table`; eventsourcing has its own table. `lock` changes the locked versions of Kafka
Connect, Debezium and the PostgreSQL driver.
"""
