-- The statements of the benchmark of the reader.

-- disable_foreign_keys --
SET session_replication_role = replica

-- drop_keys --
ALTER TABLE run_events DROP CONSTRAINT run_events_pkey, DROP CONSTRAINT run_events_id_key

-- add_keys --
ALTER TABLE run_events
    ADD CONSTRAINT run_events_pkey PRIMARY KEY (run_id, event_seq),
    ADD CONSTRAINT run_events_id_key UNIQUE (run_id, id)

-- analyze_runs --
VACUUM (ANALYZE) agent_runs

-- analyze_events --
VACUUM (ANALYZE) run_events

-- events_of_run --
-- The rows that the reader reads of a run.
-- $1 run
SELECT event_seq, id, parent_event_id, event_type, created_at, source_partition, source_offset, raw, event_data
  FROM run_events
 WHERE run_id = $1
 ORDER BY event_seq
