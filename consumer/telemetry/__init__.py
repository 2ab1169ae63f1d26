"""What operators see: metrics, health, log lines, and the HTTP server for metrics and health.

May import: agent_runs, settings, errors, model, prometheus_client, structlog.
"""
