"""Batching, back-pressure, and recovery from failed transactions. Each lane writes its own partitions.

May import: agent_runs, settings, errors, ingest, model, partitions, postgres, runtime, telemetry, structlog.
"""
