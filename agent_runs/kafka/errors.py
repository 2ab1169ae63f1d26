"""The errors of reading record batches.

BatchError
├── BatchTooLarge    a record batch expands beyond the limit
├── FetchTooLarge    the batches of one fetch together do: fetch fewer records
└── DamagedBatch     the header of a record batch is damaged, so that the next batch cannot be found
"""

from agent_runs.errors import AgentRunsError


class BatchError(AgentRunsError):
    """Base class of the errors of reading record batches."""


class BatchTooLarge(BatchError):
    """A record batch has more than AGENT_RUNS_MAX_DECOMPRESSED_BYTES after decompression. None of it was kept."""


class FetchTooLarge(BatchError):
    """The batches of one fetch together have more than AGENT_RUNS_MAX_DECOMPRESSED_BYTES: fetch fewer records."""


class DamagedBatch(BatchError):
    """The bytes that the broker returned are not a record batch, or its header is damaged."""
