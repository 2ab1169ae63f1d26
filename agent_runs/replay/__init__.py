"""Replay: `Recording` answers the calls of an agent with those of a past run; `read_topic` reads a topic again.

`Recording` does no I/O and starts no thread; `Recording.load` reads a run from a `Reader` or a `RunFile`. Importing
this package loads no Kafka client; the iteration of `read_topic` does.

May import: codec, emitter, errors, event_items, events, kafka, labels, reader, run_file, settings, status, aiokafka.
"""

from agent_runs.labels import FORKED_FROM, REPLAY_OF
from agent_runs.replay.errors import (
    Ambiguous,
    Divergence,
    NoSuchPosition,
    NotReplayable,
    RecordedFailure,
    RecordingHasHoles,
    ReplayError,
    Unserved,
)
from agent_runs.replay.forks import load_fork
from agent_runs.replay.origins import ForkOrigin, fork_origin, origin_fields
from agent_runs.replay.recording import Recording
from agent_runs.replay.render import render
from agent_runs.replay.report import Drift, Report
from agent_runs.replay.requests import Request
from agent_runs.replay.rules import NthLlmCall, ToolRule
from agent_runs.replay.topic import TopicReading, read_topic
from agent_runs.replay.topic_items import Copied, Progress, Skipped, TopicEvent, TopicRejection
from agent_runs.replay.units import Unit

__all__ = [
    "FORKED_FROM",
    "REPLAY_OF",
    "Ambiguous",
    "Copied",
    "Divergence",
    "Drift",
    "ForkOrigin",
    "NoSuchPosition",
    "NotReplayable",
    "NthLlmCall",
    "Progress",
    "RecordedFailure",
    "Recording",
    "RecordingHasHoles",
    "ReplayError",
    "Report",
    "Request",
    "Skipped",
    "ToolRule",
    "TopicEvent",
    "TopicReading",
    "TopicRejection",
    "Unit",
    "Unserved",
    "fork_origin",
    "load_fork",
    "origin_fields",
    "read_topic",
    "render",
]
