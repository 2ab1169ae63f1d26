"""Watches the consumer group: other applications in it.

May import: errors, kafka, telemetry, structlog.
"""
