"""Starts and checks assigned partitions, and reads the status of all partitions; the `offsets` commands.

May import: settings, errors, ingest, kafka, model, postgres, runtime, structlog.
"""
