"""Starts and checks assigned partitions, and reads the status of all partitions; the `offsets` commands.

May import: agent_runs, settings, errors, ingest, kafka, model, postgres, runtime, structlog.
"""
