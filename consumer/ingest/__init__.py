"""From records to events, and one batch in one transaction: numbering, de-duplication, the offsets' compare-and-set.

May import: agent_runs, errors, model, postgres.
"""
