"""The emitter: publishes the events of runs to Kafka without blocking the agent.

`run` has one method for each event type (`event_methods`), and `decorators` records calls of functions. `pipeline`
takes an event in the agent's thread; `messages` redacts, encodes and validates it, and the bounded `send_queue` gets
the record. The thread of `delivery` sends the queued records: it runs one `session` after another, each with its own
Kafka producer. `fork_and_exit` handles forks and the end of the process.

May import: backoff, codec, errors, escaping, event_base, event_items, events, ids, kafka, labels, questions,
    settings, signal_safety, status, unknown_variables, aiokafka.
"""

from agent_runs.emitter.decorators import current_run, tool
from agent_runs.emitter.drops import DropReason
from agent_runs.emitter.emitter import Emitter
from agent_runs.emitter.llm_call import LlmCall
from agent_runs.emitter.run import Run
from agent_runs.emitter.stats import Stats
from agent_runs.emitter.tool_call import ToolCall

__all__ = ["DropReason", "Emitter", "LlmCall", "Run", "Stats", "ToolCall", "current_run", "tool"]
