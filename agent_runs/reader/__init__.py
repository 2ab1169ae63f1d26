"""Reads runs and their typed events from PostgreSQL: `Reader` for asynchronous code, `SyncReader` for synchronous code.

Install it with the extra `reader`: `pip install 'agent-runs[reader]'`. Importing it loads no PostgreSQL client; the
first call does.

May import: codec, errors, events, labels, named_queries, postgres, questions, settings, status, asyncpg.
"""

from agent_runs.questions import Question
from agent_runs.reader.counts import AgentCount, StatusCount
from agent_runs.reader.dead_letters import DeadLetter, DeadLetterPage
from agent_runs.reader.errors import (
    DatabaseNotReady,
    DatabaseUnavailable,
    InvalidCursor,
    MissingExtra,
    ReaderError,
)
from agent_runs.reader.follow import RunChange
from agent_runs.reader.inbox import OpenQuestion, QuestionPage
from agent_runs.reader.llm_calls import LlmCall
from agent_runs.reader.new_events import NewEvents
from agent_runs.reader.prompt_diff import Change
from agent_runs.reader.question_lines import QuestionLine
from agent_runs.reader.reader import Reader
from agent_runs.reader.run_diff import Pair, compare_runs
from agent_runs.reader.run_filter import RunFilter
from agent_runs.reader.run_lookup import Found, FoundFailure
from agent_runs.reader.run_scan import Hits, Structure, Usage
from agent_runs.reader.run_source import RunSource
from agent_runs.reader.runs import RunPage, RunSummary, StoredRun
from agent_runs.reader.store_status import PartitionStatus, StoreStatus
from agent_runs.reader.stored_events import OpaqueEvent, StoredEvent, event_of_message
from agent_runs.reader.stream import Stream
from agent_runs.reader.sync_reader import SyncReader, SyncRunSource
from agent_runs.reader.timeline import Step, Timeline
from agent_runs.reader.tree import RelatedRuns, RunTree, TreeNode

__all__ = [
    "AgentCount",
    "Change",
    "DatabaseNotReady",
    "DatabaseUnavailable",
    "DeadLetter",
    "DeadLetterPage",
    "Found",
    "FoundFailure",
    "Hits",
    "InvalidCursor",
    "LlmCall",
    "MissingExtra",
    "NewEvents",
    "OpaqueEvent",
    "OpenQuestion",
    "Pair",
    "PartitionStatus",
    "Question",
    "QuestionLine",
    "QuestionPage",
    "Reader",
    "ReaderError",
    "RelatedRuns",
    "RunChange",
    "RunFilter",
    "RunPage",
    "RunSource",
    "RunSummary",
    "RunTree",
    "StatusCount",
    "Step",
    "StoreStatus",
    "StoredEvent",
    "StoredRun",
    "Stream",
    "Structure",
    "SyncReader",
    "SyncRunSource",
    "Timeline",
    "TreeNode",
    "Usage",
    "compare_runs",
    "event_of_message",
]
