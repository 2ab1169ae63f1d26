"""Watches the consumer group: other applications, members whose process has ended, repeated instance ids.

May import: errors, kafka, model, postgres, runtime, telemetry, structlog.
"""
