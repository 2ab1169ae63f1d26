"""Benchmarks of the consumer and of the emitter. docs/benchmarks.md explains the figures.

`python -m tests.bench` measures the consumer, beside a COPY of prepared rows, the original design and other sinks:

- `__main__`: the command line. It starts the servers, runs every scenario and prints the tables.
- `scenarios/`: one module for each table. `measure` returns figures, `to_table` formats them.
- `measurement`: measures one system once, or several in rounds.
- `systems`, `original`, `peers/`: the systems under test.
- `servers`, `database`: Kafka and PostgreSQL, topics, and an empty database for each measurement.
- `workload`, `records`: the events, and their places in the topic.
- `cpu_time`, `processes`, `sampling`: processor time and memory of the measured processes.
- `environment`, `goals`, `report`: what is printed beside the figures.

`python -m tests.bench.emitter` measures what one call costs an agent, and how many events a second are delivered.
"""
