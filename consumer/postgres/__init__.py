"""Connections to PostgreSQL, named queries, COPY, the translation of SQLSTATEs, deadlines, migrations.

May import: agent_runs, settings, errors, model, runtime, asyncpg, pogo_core, structlog.
"""
