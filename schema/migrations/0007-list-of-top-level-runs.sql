-- The index for the list of runs without a parent
-- depends: 0006-view-of-open-questions

-- migrate: apply

-- Building an index blocks the consumers, which wait and retry: about 3 s for a million runs.
CREATE INDEX agent_runs_top_level_idx ON agent_runs (created_at DESC, id DESC) WHERE parent_run_id IS NULL;

-- migrate: rollback

DROP INDEX agent_runs_top_level_idx;
