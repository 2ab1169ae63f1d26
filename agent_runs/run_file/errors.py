"""The exceptions of run files.

AgentRunsError
├── InvalidRunFile   a line is missing, altered or not part of the format; has the number of the line
├── RunNotFound      there is no run with this id
└── TooManyRuns      a run has too many descendants to write all of them
"""

from agent_runs.errors import AgentRunsError


class InvalidRunFile(AgentRunsError):
    """A run file is cut off or altered, or is not a run file.

    Attributes:
        line: the number of the line at which this was noticed, from 1.
        problem: what is wrong, as text.
    """

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(f"line {line}: {problem}")
        self.line = line
        self.problem = problem


class RunNotFound(AgentRunsError):
    """There is no run with this id."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"there is no run {run_id!r}")


class TooManyRuns(AgentRunsError):
    """A run has too many descendants to write all of them."""

    def __init__(self, run_id: str, limit: int) -> None:
        super().__init__(f"the run {run_id!r} has more than {limit} descendants or ancestors: export them one by one")
