"""Replay: `Recording` answers the model calls and tool calls of an agent with those of a past run.

It does no I/O and starts no thread; `Recording.load` reads a run from a `Reader` or a `RunFile`.

May import: codec, errors, events, reader.
"""

from agent_runs.replay.errors import (
    Ambiguous,
    Divergence,
    NotReplayable,
    RecordedFailure,
    RecordingHasHoles,
    ReplayError,
    Unserved,
)
from agent_runs.replay.recording import Recording
from agent_runs.replay.report import Drift, Report
from agent_runs.replay.requests import Request
from agent_runs.replay.rules import NthLlmCall, ToolRule
from agent_runs.replay.units import Unit

__all__ = [
    "Ambiguous",
    "Divergence",
    "Drift",
    "NotReplayable",
    "NthLlmCall",
    "RecordedFailure",
    "Recording",
    "RecordingHasHoles",
    "ReplayError",
    "Report",
    "Request",
    "ToolRule",
    "Unit",
    "Unserved",
]
