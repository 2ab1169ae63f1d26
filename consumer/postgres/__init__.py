"""Connections to PostgreSQL, named queries, COPY, the translation of SQLSTATEs, deadlines, migrations.

May import: agent_runs, database_url, settings, errors, model, runtime, asyncpg, pogo_core.
"""
