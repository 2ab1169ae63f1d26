"""Retrying, task cancellation, allocator tuning. Knows nothing of Kafka, PostgreSQL or events.

May import: agent_runs, errors, structlog, tenacity.
"""
