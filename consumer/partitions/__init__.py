"""Starts and checks assigned partitions: stored offsets, lost offsets, the circuit breaker; the `offsets` commands.

May import: agent_runs, settings, errors, kafka, model, postgres, runtime, structlog.
"""
