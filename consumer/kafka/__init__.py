"""The consumer group's client, the topic's reader, and topic administration.

May import: agent_runs, config, errors, model, aiokafka, structlog.
"""
