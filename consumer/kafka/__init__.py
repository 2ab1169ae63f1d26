"""The consumer group's client, the topic's reader, and topic administration.

May import: agent_runs, settings, errors, model, aiokafka, structlog.
"""
