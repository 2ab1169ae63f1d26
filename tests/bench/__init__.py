"""Benchmarks of the consumer and of the emitter. docs/benchmarks.md explains the figures.

`python -m tests.bench` measures the consumer, and compares it with a COPY of prepared rows, the original
design and other sinks:

- `__main__`: the command line. It starts the servers, runs every scenario and prints the tables.
- `scenarios/`: one module for each table. `measure` returns figures, `to_table` formats them.
- `measurement`: measures one system once, or several in rounds.
- `systems`, `original`, `peers/`: the systems under test.
- `servers`, `database`: Kafka and PostgreSQL, topics, and an empty database for each measurement.
- `workload`, `records`: the events, and their partitions and offsets in the topic.
- `cpu_time`, `processes`, `sampling`: processor time and memory of the measured processes.
- `environment`, `goals`, `report`: the machine, versions and settings, the goals, and the format of the printed tables.

`python -m tests.bench.emitter` measures the duration of a call, the rate of delivery, and the duration of the import.
"""
