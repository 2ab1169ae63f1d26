"""Watches the consumer group: other applications in it, and members whose process has ended.

May import: errors, kafka, model, postgres, runtime, telemetry, structlog.
"""
