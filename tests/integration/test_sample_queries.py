"""Every sample query in schema/README.md runs in psql as written, and returns what its caption says."""

import asyncio
import re
import subprocess
from pathlib import Path

import pytest

from deploy.local.binaries import postgresql_binaries
from tests.support.servers.clients import execute
from tests.support.servers.logins import READER, login

README = Path(__file__).parents[2] / "schema" / "README.md"

ROWS = """
INSERT INTO agent_runs (id, parent_run_id, agent_id, session_id, status, created_at, updated_at, event_count,
                        status_changed_at, dropped_events)
VALUES ('root', NULL, 'planner', 's', 'waiting', '2026-01-01', '2026-01-02', 4, '2026-01-02', 0),
       ('child', 'root', 'worker', 's', 'running', '2026-01-02', '2026-01-03', 1, '2026-01-01', 5),
       ('grandchild', 'child', 'worker', 's', 'failed', '2026-01-03', '2026-01-03', 1, '2026-01-03', 0);
UPDATE agent_runs SET open_questions = '[{"id": "e2", "tool_name": "ask"}, {"id": "e1", "tool_name": "ask"}]'
 WHERE id = 'root';
UPDATE agent_runs SET labels = '{"environment": "production", "version": "2026.11.2", "tenant": "t"}'
 WHERE id = 'child';
INSERT INTO run_events (id, run_id, event_seq, event_type, event_data, created_at, source_partition, source_offset)
SELECT 'e' || n, 'root', n, CASE n WHEN 1 THEN 'llm_failed' ELSE 'llm_called' END,
       jsonb_build_object('model', 'm', 'user_prompt', 'prompt ' || n), now(), 0, n
  FROM generate_series(0, 2) AS n;
INSERT INTO run_events (id, run_id, event_seq, event_type, event_data, created_at, source_partition, source_offset)
VALUES ('e3', 'root', 3, 'run_waiting', '{"reason": "the child"}', now(), 0, 3),
       ('e0', 'grandchild', 0, 'run_failed', '{"error": "first"}', now(), 0, 4),
       ('e1', 'grandchild', 1, 'run_failed', '{"error": "out of money"}', now(), 0, 5),
       ('e2', 'grandchild', 2, 'input', '{}', now(), 0, 6),
       ('e0', 'child', 0, 'events_dropped', '{"count": 5, "reason": "queue_full", "types": {"input": 4}}', now(), 0, 7);
INSERT INTO agent_runs (id, agent_id, status, created_at, updated_at, event_count, status_changed_at)
VALUES ('limited', 'polite', 'waiting', '2026-01-01 12:00', '2026-01-01 12:00', 1, '2026-01-01 12:00'),
       ('spawner', 'boss', 'waiting', '2025-12-31', '2025-12-31', 1, '2025-12-31');
UPDATE agent_runs SET open_questions = '[{"id": "e0", "tool_name": "spawn_agent"}]' WHERE id = 'spawner';
INSERT INTO run_events (id, run_id, event_seq, event_type, event_data, created_at, source_partition, source_offset)
VALUES ('e0', 'limited', 0, 'run_waiting', '{"reason": "rate limit"}', now(), 0, 8);
INSERT INTO dead_letters (topic, partition, record_offset, record_timestamp, headers, reason, detail)
VALUES ('t', 0, 3, now(), '[]', 'not_json', 'the value is null'),
       ('t', 0, 4, now(), '[]', 'not_json', 'the value is empty');
"""
PARAMETERS = {"run": "root", "agent": "worker", "created_at": "2026-01-03", "id": "grandchild", "since": "2026-01-02"}
# The first columns of the rows.
EXPECTED: dict[str, list[str]] = {
    "failed last": ["grandchild|worker|2026-01-03 00:00:00+00|out of money"],
    "agents have failed most": ["worker|2|1"],
    "silent for more than an hour": ["child|worker|2026-01-03 00:00:00+00|"],
    "third call of a model": ["3|m||prompt 2|"],
    "questions are open": ["spawner|boss|e0|spawn_agent|", "root|planner|e1|", "root|planner|e2|"],
    "runs wait, since when": [
        "limited|polite|2026-01-01 12:00:00+00|other|rate limit|0",
        "root|planner|2026-01-02 00:00:00+00|answer||1",
        "spawner|boss|2025-12-31 00:00:00+00|child||0",
    ],
    "runs wait for what": ["answer|1|", "child|1|", "other|1|2026-01-01 12:00:00+00"],
    "by their labels": ["child|worker|running|"],
    "tree of children": ["root|planner", "  child|worker", "    grandchild|worker"],
    "rejected today": ["not_json|2"],
    "history of one run": ["0|", "1|", "2|", "3|"],
    "newest runs of one agent": ["child|running"],
    "miss events that their producer": ['child|worker|0|5|queue_full|{"input": 4}'],
}


def queries() -> dict[str, str]:
    """The SQL blocks of the README by their captions."""
    found = re.findall(r"\n([^\n]+)\n\n```sql\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    return dict(found)


async def psql(url: str, sql: str) -> list[str]:
    """The rows that psql prints for a statement on its standard input."""
    variables = [f"--set={name}={value}" for name, value in {**PARAMETERS, "ON_ERROR_STOP": "1"}.items()]
    command = [str(postgresql_binaries() / "psql"), "--no-psqlrc", "--tuples-only", "--no-align", *variables, url]
    environment = {"PGTZ": "UTC"}
    done = await asyncio.to_thread(
        subprocess.run, command, input=sql, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("caption", EXPECTED)
async def test_a_sample_query_returns_the_rows_that_its_caption_asks_for(caption: str, database: str) -> None:
    (sql,) = [sql for sentence, sql in queries().items() if caption in sentence]
    await execute(database, ROWS)
    async with login(database, READER) as url:
        rows = await psql(url, sql)
    expected = EXPECTED[caption]
    assert [row[: len(start)] for row, start in zip(rows, expected, strict=True)] == expected


def test_every_sample_query_is_tested() -> None:
    assert len(queries()) == len(EXPECTED)
