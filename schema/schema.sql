-- The whole schema as it stands after all migrations; a test proves the two equal. Read this, run those.
-- PostgreSQL 16 or newer, encoding UTF8. Ids are compared byte by byte (COLLATE "C"): the same order everywhere, and
-- the one in which consumers take their locks.

CREATE TABLE agent_runs (
    id                text COLLATE "C" NOT NULL,
    parent_run_id     text COLLATE "C",                      -- the run that spawned this one
    agent_id          text COLLATE "C" NOT NULL,             -- 'unknown' until a run_started says it
    session_id        text COLLATE "C",                      -- what the agent counts as one conversation
    status            text             NOT NULL,             -- the fold of the run's events (agent_runs.status)
    created_at        timestamptz      NOT NULL,             -- record timestamp of the first event
    updated_at        timestamptz      NOT NULL,             -- record timestamp of the last event
    event_count       integer          NOT NULL DEFAULT 0,   -- events stored, and so the next event_seq
    status_changed_at timestamptz      NOT NULL,             -- record timestamp of the event that last changed the status
    dropped_events    bigint           NOT NULL DEFAULT 0,   -- events that the emitter admits it dropped
    started_at        timestamptz,                           -- record timestamp of the run_started that counts; NULL before it

    -- One row a run; and the order in which consumers lock them.
    CONSTRAINT agent_runs_pkey PRIMARY KEY (id),
    -- A tree of runs has no dangling branch: a parent that has not arrived yet gets a row of its own first.
    CONSTRAINT agent_runs_parent_fkey FOREIGN KEY (parent_run_id) REFERENCES agent_runs (id) ON DELETE SET NULL,
    -- The four states of the fold; readers may rely on there being no fifth.
    CONSTRAINT agent_runs_status_check CHECK (status IN ('running', 'waiting', 'completed', 'failed')),
    -- It is the next event_seq, which begins at 0.
    CONSTRAINT agent_runs_event_count_check CHECK (event_count >= 0),
    -- A sum of admissions, each of at least one.
    CONSTRAINT agent_runs_dropped_events_check CHECK (dropped_events >= 0)
)
-- Every batch updates its runs. Half-empty pages keep nearly all of those updates heap-only (HOT): 100 % where a
-- fillfactor of 70 kept 65 %. That is also why updated_at and event_count are in no index.
WITH (fillfactor = 50);

-- Runs of one status, the longest in it last; pages by row comparison.
CREATE INDEX agent_runs_status_idx ON agent_runs (status, status_changed_at DESC, id DESC);
-- Runs of one agent, newest first.
CREATE INDEX agent_runs_agent_idx ON agent_runs (agent_id, created_at DESC, id DESC);
-- Runs of one session, newest first.
CREATE INDEX agent_runs_session_idx ON agent_runs (session_id, created_at DESC, id DESC) WHERE session_id IS NOT NULL;
-- Children of one run, newest first; and the foreign key's own look-up when a parent is deleted.
CREATE INDEX agent_runs_parent_idx ON agent_runs (parent_run_id, created_at DESC, id DESC) WHERE parent_run_id IS NOT NULL;

CREATE TABLE run_events (
    id               text COLLATE "C" NOT NULL,              -- the message's id
    run_id           text COLLATE "C" NOT NULL,              -- the record's key
    parent_event_id  text COLLATE "C",                       -- an event of the same run; it may arrive later, or never
    event_seq        integer          NOT NULL,              -- 0, 1, 2 … without gaps within the run
    event_type       text COLLATE "C" NOT NULL,
    event_data       jsonb            NOT NULL,              -- the whole message
    created_at       timestamptz      NOT NULL,              -- the record's timestamp
    source_partition integer          NOT NULL,
    source_offset    bigint           NOT NULL,
    raw              bytea,                                  -- the exact message where event_data had to say U+FFFD

    -- The order of a run, and the way to read it.
    CONSTRAINT run_events_pkey PRIMARY KEY (run_id, event_seq),
    -- A producer's retry must not become a second event. Within the run: no agent can block another by using its ids.
    CONSTRAINT run_events_id_key UNIQUE (run_id, id),
    -- Every event is of a run; to forget the run is to forget its events.
    CONSTRAINT run_events_run_fkey FOREIGN KEY (run_id) REFERENCES agent_runs (id) ON DELETE CASCADE,
    -- The first event has number 0.
    CONSTRAINT run_events_event_seq_check CHECK (event_seq >= 0)
);

-- lz4 takes 60 % of pglz's time for 13 % more disk; not every server is built with it.
DO $$
BEGIN
    ALTER TABLE run_events ALTER COLUMN event_data SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
    NULL;
END
$$;

CREATE FUNCTION run_events_refuse_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'run_events is append-only: an event that happened does not change'
        USING ERRCODE = 'restrict_violation', HINT = 'Publish a new event. To forget a run, delete its row in agent_runs.';
END
$$;

-- An audit trail that can be edited is none. Deleting a whole run stays possible (the right to be forgotten).
CREATE TRIGGER run_events_append_only BEFORE UPDATE ON run_events
    FOR EACH STATEMENT EXECUTE FUNCTION run_events_refuse_update();

CREATE TABLE consumer_offsets (
    topic          text COLLATE "C" NOT NULL,
    partition      integer          NOT NULL,
    first_offset   bigint           NOT NULL,                -- where this partition's consumption began
    next_offset    bigint           NOT NULL,                -- where it goes on; moved only by compare-and-set
    last_offset    bigint,                                   -- the last record passed, and …
    last_timestamp timestamptz,                              -- … its timestamp: together the fingerprint of the log
    repeats        bigint           NOT NULL DEFAULT 0,      -- records that were repeats of what is stored
    updated_at     timestamptz      NOT NULL DEFAULT now(),  -- wall clock

    -- One row a partition: what the compare-and-set of every batch meets.
    CONSTRAINT consumer_offsets_pkey PRIMARY KEY (topic, partition),
    -- Consumption goes forward from where it began.
    CONSTRAINT consumer_offsets_order_check CHECK (0 <= first_offset AND first_offset <= next_offset),
    -- The last record passed lies behind us.
    CONSTRAINT consumer_offsets_last_check CHECK (last_offset < next_offset),
    -- Half a fingerprint tells no log from another.
    CONSTRAINT consumer_offsets_fingerprint_check CHECK ((last_offset IS NULL) = (last_timestamp IS NULL)),
    -- A count.
    CONSTRAINT consumer_offsets_repeats_check CHECK (repeats >= 0)
)
WITH (fillfactor = 10);  -- a few rows, each updated by every batch: room for heap-only updates

CREATE TABLE dead_letters (
    id               bigint GENERATED ALWAYS AS IDENTITY,
    topic            text COLLATE "C" NOT NULL,
    partition        integer          NOT NULL,
    record_offset    bigint           NOT NULL,
    record_timestamp timestamptz,                            -- NULL outside the years 1 to 9999
    key              bytea,                                  -- the record's exact bytes; NULL stays NULL
    value            bytea,
    headers          jsonb            NOT NULL,              -- [[name, base64 or null], …]
    reason           text             NOT NULL,
    detail           text             NOT NULL,              -- what exactly was wrong
    state            text             NOT NULL DEFAULT 'open',
    retries          integer          NOT NULL DEFAULT 0,
    created_at       timestamptz      NOT NULL DEFAULT now(),  -- wall clock
    updated_at       timestamptz      NOT NULL DEFAULT now(),  -- wall clock

    -- The number by which operators name a letter.
    CONSTRAINT dead_letters_pkey PRIMARY KEY (id),
    -- A topic that is consumed again keeps its letters and their states. The timestamp is one of the coordinates because
    -- a topic that was deleted and made anew counts its offsets from 0 again.
    CONSTRAINT dead_letters_record_key UNIQUE NULLS NOT DISTINCT (topic, partition, record_offset, record_timestamp),
    -- The reasons of the contract, in the order in which they are judged.
    CONSTRAINT dead_letters_reason_check CHECK (reason IN (
        'missing_key', 'invalid_key', 'too_large', 'not_json', 'invalid_event', 'store_rejected', 'event_id_conflict'
    )),
    -- A letter waits, or an operator has dealt with it in one of two ways.
    CONSTRAINT dead_letters_state_check CHECK (state IN ('open', 'resolved', 'discarded')),
    -- A count.
    CONSTRAINT dead_letters_retries_check CHECK (retries >= 0)
);

-- Letters of one state, newest first.
CREATE INDEX dead_letters_state_idx ON dead_letters (state, created_at DESC, id DESC);

-- What became of a dead letter after it was refused: one row for each time that somebody did something about it.
CREATE TABLE dead_letter_history (
    letter_id bigint      NOT NULL,
    id        bigint      GENERATED ALWAYS AS IDENTITY,
    at        timestamptz NOT NULL DEFAULT now(),  -- wall clock
    action    text        NOT NULL,
    reason    text,                                -- why it was refused, this time; NULL where it was not
    detail    text        NOT NULL,                -- what exactly was wrong, where the event is now, or why it was discarded
    actor     text,                                -- who decided; NULL where nobody had to

    -- The history of one letter, in its order.
    CONSTRAINT dead_letter_history_pkey PRIMARY KEY (letter_id, id),
    -- A letter that is deleted takes its history along.
    CONSTRAINT dead_letter_history_letter_fkey FOREIGN KEY (letter_id) REFERENCES dead_letters (id) ON DELETE CASCADE,
    -- The first verdict, which is written down once there is a second one; then what was done.
    CONSTRAINT dead_letter_history_action_check CHECK (action IN ('refused', 'retried', 'resolved', 'discarded')),
    -- Verdicts, and only they, have a reason of the contract.
    CONSTRAINT dead_letter_history_reason_check CHECK ((reason IS NOT NULL) = (action IN ('refused', 'retried'))),
    -- To give up a record is somebody's decision.
    CONSTRAINT dead_letter_history_actor_check CHECK (action <> 'discarded' OR actor IS NOT NULL)
);

-- Who decided to go on without records that the log no longer holds, and what was given up.
CREATE TABLE accepted_losses (
    id             bigint GENERATED ALWAYS AS IDENTITY,
    topic          text COLLATE "C" NOT NULL,
    partition      integer          NOT NULL,
    first_offset   bigint           NOT NULL,                -- the row of consumer_offsets as it was
    next_offset    bigint           NOT NULL,
    last_offset    bigint,
    last_timestamp timestamptz,
    repeats        bigint           NOT NULL,
    resumed_at     bigint           NOT NULL,                -- the offset from which consumption goes on
    reason         text             NOT NULL,                -- what was wrong, in the words of the halt
    accepted_by    text             NOT NULL,
    accepted_at    timestamptz      NOT NULL DEFAULT now(),  -- wall clock

    -- Decisions in the order in which they were taken.
    CONSTRAINT accepted_losses_pkey PRIMARY KEY (id)
);
