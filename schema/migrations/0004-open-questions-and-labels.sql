-- The open questions and the labels of a run
-- depends: 0003-unreadable-records

-- migrate: apply

-- Rows of events that were stored before this migration, or by consumers of the version before, keep the defaults: no
-- open questions, no labels, and the statuses of that version. `verify` reports each that differs from the fold of its
-- events, and `rebuild` repairs them.
ALTER TABLE agent_runs
    ADD COLUMN open_questions jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN answered_questions jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN completed_by_tool boolean NOT NULL DEFAULT false,
    ADD COLUMN labels jsonb NOT NULL DEFAULT '{}';

-- Runs with open questions, those first whose status has not changed for longest.
CREATE INDEX agent_runs_open_questions_idx ON agent_runs (status_changed_at, id) WHERE open_questions <> '[]';
-- Runs with certain labels: labels @> '{"environment": "test"}' AND labels <> '{}'. The second condition keeps runs without
-- labels out of the index, so that it costs them nothing.
CREATE INDEX agent_runs_labels_idx ON agent_runs USING gin (labels jsonb_path_ops) WHERE labels <> '{}';

COMMENT ON COLUMN agent_runs.open_questions IS
    '[{"id": …, "tool_name": …}, …]: requests of waiting tools without an answer, oldest first';
COMMENT ON COLUMN agent_runs.answered_questions IS 'the last ones that were closed; only the fold needs them';
COMMENT ON COLUMN agent_runs.completed_by_tool IS 'completed without a run_completed: a run_failed replaces it';
COMMENT ON COLUMN agent_runs.labels IS '{"name": "value", …} of the first run_started';

-- migrate: rollback

DROP INDEX agent_runs_labels_idx, agent_runs_open_questions_idx;
ALTER TABLE agent_runs
    DROP COLUMN open_questions,
    DROP COLUMN answered_questions,
    DROP COLUMN completed_by_tool,
    DROP COLUMN labels;
