"""The operator's commands: click, rich, exit codes.

May import: agent_runs, settings, dead_letters, errors, kafka, model, partitions, postgres, runtime, service,
telemetry, verify, click, rich.
"""
