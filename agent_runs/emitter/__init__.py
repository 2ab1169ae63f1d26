"""Publish what agents do: fire and forget, and nothing lost silently.

An event goes from `run` (one method a type) through `pipeline` (redaction, encoding, validation, in the agent's thread)
into the bounded `send_queue`. The thread of `delivery` and its `session` (one Kafka producer) send it to Kafka.
`lifecycle` handles forks and the end of the process.

May import: codec, errors, escaping, events, ids, kafka_options, settings, signal_safety, status, aiokafka.
"""

from agent_runs.emitter.emitter import Emitter
from agent_runs.emitter.run import Run
from agent_runs.emitter.stats import DropReason, Stats
from agent_runs.emitter.tool_call import ToolCall

__all__ = ["DropReason", "Emitter", "Run", "Stats", "ToolCall"]
