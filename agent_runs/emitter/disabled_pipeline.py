"""The pipeline of an emitter that is switched off."""

from collections.abc import Mapping

from agent_runs.emitter.fork_and_exit import Process
from agent_runs.emitter.last_events import new_emitter_number
from agent_runs.emitter.pickling import SharedPipeline
from agent_runs.emitter.stats import Stats
from agent_runs.events import Json, RunEvent, UnknownEvent


class DisabledPipeline(SharedPipeline):
    """Accepts every event and does nothing.

    Attributes:
        number: as for `Pipeline`.
    """

    def __init__(self) -> None:
        super().__init__(new_emitter_number())

    def put(
        self,
        process: Process,  # noqa: ARG002
        key: bytes | None,  # noqa: ARG002
        event: RunEvent | UnknownEvent,  # noqa: ARG002
        further_fields: Mapping[str, Json] | None = None,  # noqa: ARG002
    ) -> bool:
        """Do nothing. Returns True."""
        return True

    def count_misuse(self, key: bytes | None, call: str, event_type: str | None, error: Exception) -> None:
        """Do nothing."""

    def log_rename(self, event_type: str, name: str, stored_name: str) -> None:
        """Do nothing."""

    def log_label_problem(self, problem: str) -> None:
        """Do nothing."""

    def flush(self, timeout_s: float | None) -> int:  # noqa: ARG002
        """Return 0: nothing is pending."""
        return 0

    def close(self, timeout_s: float | None) -> int:  # noqa: ARG002
        """Return 0: nothing is pending."""
        return 0

    def stats(self) -> Stats:
        """Return counts of 0."""
        return Stats(emitted=0, sent=0, pending=0, dropped={}, recorded=0)
