"""Connections, named queries, COPY, SQLSTATE, migrations.

May import: agent_runs, config, errors, model, runtime, asyncpg, pogo_core, structlog.
"""
