"""Connections, named queries, COPY, SQLSTATE, migrations.

May import: agent_runs, settings, errors, model, runtime, asyncpg, pogo_core, structlog.
"""
