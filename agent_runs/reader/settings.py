"""The settings of the reader, from the environment or from arguments."""

from typing import Annotated

import msgspec

from agent_runs.postgres import database_url
from agent_runs.settings import DEFAULT_SCHEMA, SCHEMA_PATTERN, env


class ReaderSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach PostgreSQL, and how long to wait for it."""

    url: Annotated[str, env("DATABASE_URL", min_length=1)]
    schema: Annotated[str, env("AGENT_RUNS_SCHEMA", pattern=SCHEMA_PATTERN)] = DEFAULT_SCHEMA  # of the tables
    timeout_s: Annotated[float, env("AGENT_RUNS_DATABASE_TIMEOUT_S", gt=0, le=86_400)] = 60.0  # for one call
    connect_timeout_s: Annotated[float, env("AGENT_RUNS_CONNECT_TIMEOUT_S", gt=0, le=86_400)] = 10.0

    def conflicts(self) -> list[str]:
        """Return why the URL cannot be used, as one sentence; empty if it can."""
        return [f"DATABASE_URL: {problem}" for problem in database_url.problems(self.url)]

    def __repr__(self) -> str:
        """Return the fields without the URL, which has a password."""
        return f"ReaderSettings(timeout_s={self.timeout_s!r}, connect_timeout_s={self.connect_timeout_s!r})"
