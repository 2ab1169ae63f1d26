"""Every sample query in schema/README.md runs as written and returns what its caption says."""

import re
from pathlib import Path

import asyncpg
import pytest

README = Path(__file__).parents[2] / "schema" / "README.md"

ROWS = """
INSERT INTO agent_runs (id, parent_run_id, agent_id, status, created_at, updated_at, event_count, status_changed_at,
                        dropped_events)
VALUES ('root', NULL, 'planner', 'waiting', '2026-01-01', '2026-01-02', 3, '2026-01-02', 0),
       ('child', 'root', 'worker', 'waiting', '2026-01-02', '2026-01-03', 1, '2026-01-01', 5),
       ('grandchild', 'child', 'worker', 'completed', '2026-01-03', '2026-01-03', 1, '2026-01-03', 0);
INSERT INTO run_events (id, run_id, event_seq, event_type, event_data, created_at, source_partition, source_offset)
SELECT 'e' || n, 'root', n, 'llm_called', jsonb_build_object('model', 'm', 'user_prompt', 'prompt ' || n), now(), 0, n
  FROM generate_series(0, 2) AS n;
INSERT INTO dead_letters (topic, partition, record_offset, record_timestamp, headers, reason, detail)
VALUES ('t', 0, 3, now(), '[]', 'not_json', 'the value is null'),
       ('t', 0, 4, now(), '[]', 'not_json', 'the value is empty');
"""
PARAMETERS = {
    "run": "'root'",
    "n": "3",
    "agent": "'worker'",
    "created_at": "'2026-01-03'::timestamptz",
    "id": "'grandchild'",
}
EXPECTED: dict[str, list[tuple[object, ...]]] = {
    "waiting for a human": [("child",), ("root",)],
    "third call of a model": [(2, "m", None, "prompt 2")],
    "tree of children": [("root", "planner"), ("  child", "worker"), ("    grandchild", "worker")],
    "rejected today": [("not_json", 2)],
    "history of one run": [(0,), (1,), (2,)],
    "newest runs of one agent": [("child", "waiting")],
    "miss events that their producer": [("child", "worker", 5)],
}


def queries() -> dict[str, str]:
    """The SQL blocks of the README by their captions, with values for their parameters."""
    found = re.findall(r"\n([^\n]+)\n\n```sql\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    return {caption: re.sub(r"(?<!:):(\w+)", lambda name: PARAMETERS[name[1]], sql) for caption, sql in found}


@pytest.mark.parametrize("caption", EXPECTED)
async def test_a_sample_query_returns_the_rows_that_its_caption_asks_for(caption: str, database: str) -> None:
    (sql,) = [sql for sentence, sql in queries().items() if caption in sentence]
    connection = await asyncpg.connect(database)
    try:
        await connection.execute(ROWS)
        rows = await connection.fetch(sql)
    finally:
        await connection.close()
    width = len(EXPECTED[caption][0])
    assert [tuple(row)[:width] for row in rows] == EXPECTED[caption]


def test_every_sample_query_is_tested() -> None:
    assert len(queries()) == len(EXPECTED)
