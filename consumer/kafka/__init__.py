"""Group membership and fetching, reads outside the group, the search for unreadable records, topic administration.

May import: agent_runs, settings, errors, model, runtime, aiokafka, structlog.
"""
