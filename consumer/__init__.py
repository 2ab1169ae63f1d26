"""The service: stores the RunEvents of a Kafka topic in PostgreSQL, each exactly once and in order.

The modules beside this one connect the packages: `service` creates and stops the parts, `loop` moves the records.

May import: agent_runs, cli, ingest, kafka, lanes, membership, model, partitions, postgres, runtime, telemetry,
    structlog.
"""
