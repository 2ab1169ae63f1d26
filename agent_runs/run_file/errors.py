"""The exceptions of run files.

AgentRunsError
├── InvalidRunFile   a line is missing, altered or not part of the format; has the file and the line
├── RunNotFound      there is no run with this id
├── PageTooLarge     the HTML page of a run would be too large for a browser
└── TooManyRuns      a run has too many descendants to write all of them
"""

from agent_runs.errors import AgentRunsError


class InvalidRunFile(AgentRunsError):
    """A run file is cut off or altered, or is not a run file.

    Attributes:
        line: the number of the line at which this was noticed, from 1.
        problem: what is wrong, as text.
        path: the file, as it was given.
    """

    def __init__(self, line: int, problem: str, path: str) -> None:
        super().__init__(f"{path}: line {line}: {problem}")
        self.line = line
        self.problem = problem
        self.path = path


class RunNotFound(AgentRunsError):
    """There is no run with this id."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"there is no run {run_id!r}")


class TooManyRuns(AgentRunsError):
    """A run has too many descendants to write all of them."""

    def __init__(self, run_id: str, limit: int) -> None:
        super().__init__(f"the run {run_id!r} has more than {limit} descendants or ancestors: export them one by one")


class PageTooLarge(AgentRunsError):
    """The HTML page of a run would be larger than what a browser opens."""

    def __init__(self, run_id: str, limit: int) -> None:
        super().__init__(
            f"the page of the run {run_id!r} would have more than {limit // 1_000_000} MB, too many for a browser: "
            "leave out --html to write a run file, which agent-runs --file FILE show RUN reads"
        )
