-- Two group roles. `migrate` creates them if its login may; grant them to logins: GRANT agent_runs_reader TO ….
-- Roles belong to the whole server, so `migrate` of another database may create them at the same time.
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
                RAISE WARNING 'role % does not exist, and this login may not create it: no rights are granted to it', name;
        END;
    END LOOP;

    -- Everyone may use the schema `public`, but no other one.
    FOREACH name IN ARRAY ARRAY['agent_runs_consumer', 'agent_runs_reader'] LOOP
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = name AND NOT has_schema_privilege(oid, current_schema(), 'USAGE')) THEN
            EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), name);
        END IF;
    END LOOP;

    -- Exactly what the service needs. No DELETE or TRUNCATE: deleting a run would also delete its events.
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'agent_runs_consumer') THEN
        GRANT SELECT, INSERT, UPDATE ON agent_runs, consumer_offsets TO agent_runs_consumer;
        GRANT SELECT, INSERT ON run_events, dead_letters, dead_letter_history, accepted_losses TO agent_runs_consumer;
        -- The state of a dead letter may change; its coordinates and bytes are evidence and may not.
        REVOKE UPDATE ON dead_letters FROM agent_runs_consumer;
        GRANT UPDATE (state, retries, reason, detail, updated_at) ON dead_letters TO agent_runs_consumer;
        GRANT SELECT ON _pogo_migration TO agent_runs_consumer;
        -- To check that the sequences are not behind their tables.
        GRANT SELECT ON SEQUENCE dead_letters_id_seq, dead_letter_history_id_seq, accepted_losses_id_seq TO agent_runs_consumer;
    END IF;

    -- What people and dashboards need.
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'agent_runs_reader') THEN
        GRANT SELECT ON agent_runs, run_events, consumer_offsets, dead_letters, dead_letter_history, accepted_losses,
            _pogo_migration, failed_runs, open_questions, waiting_runs, holes, silent_runs, model_calls TO agent_runs_reader;
        GRANT SELECT ON SEQUENCE dead_letters_id_seq, dead_letter_history_id_seq, accepted_losses_id_seq TO agent_runs_reader;
    END IF;
END
$$;
