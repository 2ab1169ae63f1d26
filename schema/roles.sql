-- Two group roles, made by `migrate` where it may; give them to your logins with GRANT agent_runs_reader TO ….
-- Roles belong to the whole cluster: another database's migrate may make them in the same moment.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['agent_runs_consumer', 'agent_runs_reader'] LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN', name);
            END IF;
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN NULL;
            WHEN insufficient_privilege THEN
                RAISE WARNING 'role % does not exist and we may not create it; grants to it are left out', name;
        END;
    END LOOP;

    -- What the service does, and no more. No DELETE or TRUNCATE anywhere: deletes of runs cascade to their events.
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'agent_runs_consumer') THEN
        GRANT SELECT, INSERT, UPDATE ON agent_runs, consumer_offsets TO agent_runs_consumer;
        GRANT SELECT, INSERT ON run_events, dead_letters, dead_letter_history, accepted_losses TO agent_runs_consumer;
        -- What became of a letter, not what it is: its coordinates and bytes are evidence.
        REVOKE UPDATE ON dead_letters FROM agent_runs_consumer;
        GRANT UPDATE (state, retries, reason, detail, updated_at) ON dead_letters TO agent_runs_consumer;
        GRANT SELECT ON _pogo_migration TO agent_runs_consumer;
    END IF;

    -- What people and dashboards do.
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'agent_runs_reader') THEN
        GRANT SELECT ON agent_runs, run_events, consumer_offsets, dead_letters, dead_letter_history, accepted_losses,
            _pogo_migration TO agent_runs_reader;
    END IF;
END
$$;
