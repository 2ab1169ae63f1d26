"""The named queries of `queries.sql`."""

from pathlib import Path
from typing import Final

from agent_runs.named_queries import load_queries

QUERIES: Final = load_queries(Path(__file__).with_name("queries.sql"))
