"""Publish what agents do: fire and forget, and nothing lost silently.

An event goes from `run` (a method for each type) through `channel` (masked, encoded, judged, in the agent's thread)
into the `outbox` (bounded, counted). From there `delivery` (a thread) and its `session` (a producer's life) carry it to
Kafka. `processes` sees them through forks and to their end.
"""

from agent_runs.emitter.emitter import Emitter
from agent_runs.emitter.run import Run
from agent_runs.emitter.stats import DropReason, Stats
from agent_runs.emitter.tool_call import ToolCall

__all__ = ["DropReason", "Emitter", "Run", "Stats", "ToolCall"]
