"""Retrying, task cancellation, allocator tuning. Knows nothing of Kafka, PostgreSQL or events.

May import: errors, structlog, tenacity.
"""
