"""Decodes records, and stores a batch in one transaction: compares and sets offsets, removes repeats, numbers events.

May import: agent_runs, errors, model, postgres.
"""
