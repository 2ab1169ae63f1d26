"""Starting an assigned partition: stored offsets, lost logs, the circuit breaker; the `offsets` commands.

May import: agent_runs, config, errors, kafka, model, postgres, runtime, structlog.
"""
