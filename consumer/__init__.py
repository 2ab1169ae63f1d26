"""The service: stores the RunEvents of a Kafka topic in PostgreSQL, each exactly once and in order.

The files beside this one put the packages together: `service` builds and stops them, `loop` carries records.

May import: agent_runs, cli, ingest, kafka, lanes, model, partitions, postgres, runtime, telemetry, structlog.
"""
