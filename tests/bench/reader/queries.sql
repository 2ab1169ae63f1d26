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
