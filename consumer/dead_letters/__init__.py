"""Finds, locates and retries dead letters. No terminal code, so that other interfaces can use it.

May import: agent_runs, errors, ingest, model, postgres.
"""
