"""Batching, back-pressure, and recovery from failed transactions. Each lane writes its own partitions.

May import: settings, errors, ingest, model, partitions, postgres, runtime, telemetry, structlog.
"""
