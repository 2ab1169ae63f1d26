"""Retrying, task cancellation, allocator tuning. Uses neither Kafka nor PostgreSQL nor events.

May import: agent_runs, errors, structlog, tenacity.
"""
