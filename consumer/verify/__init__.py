"""Compares the tables with the fold of their events and repairs them, and compares the topic with the tables.

May import: agent_runs, ingest, kafka, model, postgres.
"""
