"""Defines the operator's commands with click and rich, and their exit codes.

May import: agent_runs, settings, dead_letters, errors, kafka, model, partitions, postgres, runtime, service,
telemetry, verify, click, rich, structlog.
"""
