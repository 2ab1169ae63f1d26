-- The whole schema after all migrations, for reading; `agent-runs-consumer migrate` runs the migrations. A test proves
-- that both give the same database.
-- PostgreSQL 16 or newer, encoding UTF8. Ids are compared byte by byte (COLLATE "C"): this order is the same on every
-- server, and consumers lock runs in it.

CREATE TABLE agent_runs (
    id                text COLLATE "C" NOT NULL,
    parent_run_id     text COLLATE "C",                      -- the run that spawned this one
    agent_id          text COLLATE "C" NOT NULL,             -- 'unknown' before the first run_started
    session_id        text COLLATE "C",                      -- the conversation that the agent assigns the run to
    status            text             NOT NULL,             -- the fold of the run's events (agent_runs.status)
    created_at        timestamptz      NOT NULL,             -- record timestamp of the first event; of a run without events:
                                                             -- of the earliest run_started that names it
    updated_at        timestamptz      NOT NULL,             -- record timestamp of the last event; without events: created_at
    event_count       integer          NOT NULL DEFAULT 0,   -- events stored; also the next event_seq
    status_changed_at timestamptz      NOT NULL,             -- of the event that last changed the status; before any: created_at
    dropped_events    bigint           NOT NULL DEFAULT 0,   -- events that the producer reports as dropped
    started_at        timestamptz,                           -- record timestamp of the first run_started; NULL before it
    open_questions    jsonb            NOT NULL DEFAULT '[]',  -- [{"id": …, "tool_name": …}, …]: requests of waiting tools
                                                             -- without an answer, oldest first
    answered_questions jsonb           NOT NULL DEFAULT '[]',  -- the last ones that were closed; only the fold needs them
    completed_by_tool boolean          NOT NULL DEFAULT false,  -- completed without a run_completed: a run_failed replaces it
    labels            jsonb            NOT NULL DEFAULT '{}',  -- {"name": "value", …} of the first run_started

    -- One row per run. Consumers lock runs in the order of this key.
    CONSTRAINT agent_runs_pkey PRIMARY KEY (id),
    -- A child never refers to a missing run: a missing parent is inserted before the child's parent_run_id is set.
    CONSTRAINT agent_runs_parent_fkey FOREIGN KEY (parent_run_id) REFERENCES agent_runs (id) ON DELETE SET NULL,
    -- The four statuses of the fold; readers may rely on this set.
    CONSTRAINT agent_runs_status_check CHECK (status IN ('running', 'waiting', 'completed', 'failed')),
    -- event_count is also the next event_seq, which starts at 0.
    CONSTRAINT agent_runs_event_count_check CHECK (event_count >= 0),
    -- dropped_events is the sum of the counts of the run's events_dropped.
    CONSTRAINT agent_runs_dropped_events_check CHECK (dropped_events >= 0)
)
-- Every batch updates its runs. Half-empty pages let nearly all of these updates be heap-only (HOT): measured 100 %,
-- against 65 % with a fillfactor of 70. For the same reason updated_at and event_count are in no index.
WITH (fillfactor = 50);

-- All runs, newest first; pagination by row comparison.
CREATE INDEX agent_runs_created_idx ON agent_runs (created_at DESC, id DESC);
-- Runs of one status, newest first.
CREATE INDEX agent_runs_status_idx ON agent_runs (status, created_at DESC, id DESC);
-- Runs whose producer reports dropped events, newest first.
CREATE INDEX agent_runs_dropped_events_idx ON agent_runs (created_at DESC, id DESC) WHERE dropped_events > 0;
-- Runs of one agent, newest first.
CREATE INDEX agent_runs_agent_idx ON agent_runs (agent_id, created_at DESC, id DESC);
-- Runs of one session, newest first.
CREATE INDEX agent_runs_session_idx ON agent_runs (session_id, created_at DESC, id DESC) WHERE session_id IS NOT NULL;
-- Children of one run, newest first; also the lookup of the foreign key when a parent is deleted.
CREATE INDEX agent_runs_parent_idx ON agent_runs (parent_run_id, created_at DESC, id DESC) WHERE parent_run_id IS NOT NULL;
-- Runs without a parent, newest first.
CREATE INDEX agent_runs_top_level_idx ON agent_runs (created_at DESC, id DESC) WHERE parent_run_id IS NULL;
-- Runs with open questions, those first whose status has not changed for longest.
CREATE INDEX agent_runs_open_questions_idx ON agent_runs (status_changed_at, id) WHERE open_questions <> '[]';
-- Runs with certain labels: labels @> '{"environment": "test"}' AND labels <> '{}'. The second condition keeps runs without
-- labels out of the index, so that it costs them nothing.
CREATE INDEX agent_runs_labels_idx ON agent_runs USING gin (labels jsonb_path_ops) WHERE labels <> '{}';

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
    raw              bytea,                                  -- the exact message, if event_data has U+FFFD in place of
                                                             -- characters that JSONB cannot store; else NULL

    -- The order of the events in a run; readers read a run by this key.
    CONSTRAINT run_events_pkey PRIMARY KEY (run_id, event_seq),
    -- A producer's retry must not become a second event. Unique per run, so that an id used in one run stays
    -- usable in others.
    CONSTRAINT run_events_id_key UNIQUE (run_id, id),
    -- Every event belongs to a run; deleting the run deletes its events.
    CONSTRAINT run_events_run_fkey FOREIGN KEY (run_id) REFERENCES agent_runs (id) ON DELETE CASCADE,
    -- The first event has number 0.
    CONSTRAINT run_events_event_seq_check CHECK (event_seq >= 0)
);

-- Compressing event_data with lz4 takes 60 % of the time that pglz takes, and 13 % more disk. A server built without lz4
-- keeps pglz.
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

-- Refuses UPDATE on run_events. DELETE is restricted by roles only (roles.sql), so that the owner of the tables can erase
-- a run.
CREATE TRIGGER run_events_append_only BEFORE UPDATE ON run_events
    FOR EACH STATEMENT EXECUTE FUNCTION run_events_refuse_update();

CREATE TABLE consumer_offsets (
    topic          text COLLATE "C" NOT NULL,
    partition      integer          NOT NULL,
    first_offset   bigint           NOT NULL,                -- where consumption of this partition started, or resumed
                                                             -- after an accepted loss
    next_offset    bigint           NOT NULL,                -- the offset after the last record passed; changed only by
                                                             -- compare-and-set
    last_offset    bigint,                                   -- the offset of the last record passed
    last_timestamp timestamptz,                              -- that record's timestamp; both are the fingerprint of the log
    repeats        bigint           NOT NULL DEFAULT 0,      -- records whose event or dead letter was already stored
    updated_at     timestamptz      NOT NULL DEFAULT now(),  -- wall clock

    -- One row per partition; every batch updates it by compare-and-set.
    CONSTRAINT consumer_offsets_pkey PRIMARY KEY (topic, partition),
    -- Offsets start at 0, and next_offset is never before first_offset.
    CONSTRAINT consumer_offsets_order_check CHECK (0 <= first_offset AND first_offset <= next_offset),
    -- The last record passed comes before the next offset.
    CONSTRAINT consumer_offsets_last_check CHECK (last_offset < next_offset),
    -- A fingerprint needs both parts.
    CONSTRAINT consumer_offsets_fingerprint_check CHECK ((last_offset IS NULL) = (last_timestamp IS NULL)),
    -- repeats is a number of records.
    CONSTRAINT consumer_offsets_repeats_check CHECK (repeats >= 0)
)
WITH (fillfactor = 10);  -- few rows, updated by every batch: leaves room for heap-only updates

CREATE TABLE dead_letters (
    id               bigint GENERATED ALWAYS AS IDENTITY,
    topic            text COLLATE "C" NOT NULL,
    partition        integer          NOT NULL,
    record_offset    bigint           NOT NULL,
    record_timestamp timestamptz,                            -- NULL outside the years 1 to 9999
    key              bytea,                                  -- the record's exact bytes; NULL if the record has none
    value            bytea,                                  -- the record's exact bytes; NULL if the record has none
    headers          jsonb            NOT NULL,              -- [[name, base64 or null], …]
    reason           text             NOT NULL,
    detail           text             NOT NULL,              -- what exactly was wrong with the record
    state            text             NOT NULL DEFAULT 'open',
    retries          integer          NOT NULL DEFAULT 0,    -- retries that refused the record again
    created_at       timestamptz      NOT NULL DEFAULT now(),  -- wall clock
    updated_at       timestamptz      NOT NULL DEFAULT now(),  -- wall clock
    offset_count     bigint           NOT NULL DEFAULT 1,    -- offsets that it stands for, from record_offset on; more than 1
                                                             -- for a record batch that cannot be split into records
    omitted_headers  integer          NOT NULL DEFAULT 0,    -- further headers of the record, which are not stored

    -- The number that operators use for a dead letter.
    CONSTRAINT dead_letters_pkey PRIMARY KEY (id),
    -- When a topic is consumed again, its dead letters keep their rows and states. The timestamp is part of the key
    -- because the offsets of a topic that was deleted and created again restart at 0.
    CONSTRAINT dead_letters_record_key UNIQUE NULLS NOT DISTINCT (topic, partition, record_offset, record_timestamp),
    -- The reasons of the contract, in the order in which they are checked; 'unreadable' is an operator's decision to skip a
    -- record that cannot be read or written.
    CONSTRAINT dead_letters_reason_check CHECK (reason IN (
        'missing_key', 'invalid_key', 'too_large', 'not_json', 'invalid_event', 'store_rejected', 'event_id_conflict',
        'unreadable'
    )),
    -- A dead letter is open until a retry stores its event or an operator discards it.
    CONSTRAINT dead_letters_state_check CHECK (state IN ('open', 'resolved', 'discarded')),
    -- retries is a number of retries.
    CONSTRAINT dead_letters_retries_check CHECK (retries >= 0),
    -- A dead letter stands for at least its record.
    CONSTRAINT dead_letters_offset_count_check CHECK (offset_count >= 1),
    -- omitted_headers is a number of headers.
    CONSTRAINT dead_letters_omitted_headers_check CHECK (omitted_headers >= 0)
);

-- Dead letters of one state, newest first.
CREATE INDEX dead_letters_state_idx ON dead_letters (state, created_at DESC, id DESC);

-- The history of a dead letter: one row per retry, discard and skip. The first refusal is in dead_letters; the first
-- retry that refuses the record again copies it here.
CREATE TABLE dead_letter_history (
    letter_id bigint      NOT NULL,
    id        bigint      GENERATED ALWAYS AS IDENTITY,
    at        timestamptz NOT NULL DEFAULT now(),  -- wall clock
    action    text        NOT NULL,
    reason    text,                                -- why the record was refused; NULL for 'resolved' and 'discarded'
    detail    text        NOT NULL,                -- what was wrong, where the event is stored, or why it was discarded
    actor     text,                                -- who discarded or skipped it; else NULL

    -- One row per action. Readers order them by at, then id: 'refused' is inserted later than it happened.
    CONSTRAINT dead_letter_history_pkey PRIMARY KEY (letter_id, id),
    -- Deleting a dead letter deletes its history.
    CONSTRAINT dead_letter_history_letter_fkey FOREIGN KEY (letter_id) REFERENCES dead_letters (id) ON DELETE CASCADE,
    -- 'refused' is the first refusal; 'retried' means that a retry refused the record again; 'resolved' means that a retry
    -- stored its event, or found it stored; 'skipped' means that an operator skipped a record that halted its partition.
    CONSTRAINT dead_letter_history_action_check
        CHECK (action IN ('refused', 'retried', 'resolved', 'discarded', 'skipped')),
    -- Only the two kinds of refusal have a reason.
    CONSTRAINT dead_letter_history_reason_check CHECK ((reason IS NOT NULL) = (action IN ('refused', 'retried'))),
    -- A row with an operator's decision names the operator.
    CONSTRAINT dead_letter_history_actor_check CHECK (action NOT IN ('discarded', 'skipped') OR actor IS NOT NULL)
);

-- Operators' decisions to continue without records that the log no longer has.
CREATE TABLE accepted_losses (
    id             bigint GENERATED ALWAYS AS IDENTITY,
    topic          text COLLATE "C" NOT NULL,
    partition      integer          NOT NULL,
    first_offset   bigint           NOT NULL,                -- this and the next four columns: copied from consumer_offsets
                                                             -- before the change
    next_offset    bigint           NOT NULL,
    last_offset    bigint,
    last_timestamp timestamptz,
    repeats        bigint           NOT NULL,
    resumed_at     bigint           NOT NULL,                -- the offset at which consumption continues
    reason         text             NOT NULL,                -- why the partition had halted
    accepted_by    text             NOT NULL,
    accepted_at    timestamptz      NOT NULL DEFAULT now(),  -- wall clock

    -- One row per decision.
    CONSTRAINT accepted_losses_pkey PRIMARY KEY (id)
);

-- The views are for people with SQL. Their texts have U+FFFD in place of characters that JSONB cannot store.

-- Failed runs, with the error of their last run_failed.
CREATE VIEW failed_runs AS
SELECT r.id AS run_id, r.agent_id, r.session_id, r.parent_run_id, r.created_at, r.status_changed_at AS failed_at,
       (SELECT e.event_data ->> 'error'
          FROM run_events AS e
         WHERE e.run_id = r.id
           AND e.event_type = 'run_failed'
         ORDER BY e.event_seq DESC
         LIMIT 1) AS error
  FROM agent_runs AS r
 WHERE r.status = 'failed';

-- Questions that nobody has answered: the requests of waiting tools.
CREATE VIEW open_questions AS
SELECT r.id AS run_id, r.agent_id, r.session_id, r.status_changed_at AS waiting_since, q.id AS question_id, q.tool_name,
       e.event_data -> 'tool_args' AS question, e.created_at AS asked_at, e.event_seq
  FROM agent_runs AS r
       CROSS JOIN LATERAL jsonb_to_recordset(r.open_questions) AS q (id text, tool_name text)
       LEFT JOIN run_events AS e ON e.run_id = r.id AND e.id = q.id
 WHERE r.open_questions <> '[]';

-- Waiting runs, with what they wait for. The reason is that of the last run_waiting; a run with open questions waits for
-- their answers. The reason and the children are read of the rows that a query returns only.
CREATE VIEW waiting_runs AS
SELECT r.id AS run_id, r.agent_id, r.session_id, r.parent_run_id, r.created_at, r.status_changed_at AS waiting_since,
       CASE WHEN r.open_questions @? '$[*] ? (@.tool_name != "spawn_agent")' THEN 'answer'
            WHEN r.open_questions <> '[]' THEN 'child'
            ELSE 'other'
       END AS waits_for,
       CASE WHEN r.open_questions = '[]'
            THEN (SELECT e.event_data ->> 'reason'
                    FROM run_events AS e
                   WHERE e.run_id = r.id
                     AND e.event_type = 'run_waiting'
                   ORDER BY e.event_seq DESC
                   LIMIT 1)
       END AS reason,
       (SELECT count(*)
          FROM agent_runs AS c
         WHERE c.parent_run_id = r.id
           AND c.status IN ('running', 'waiting')) AS unfinished_children
  FROM agent_runs AS r
 WHERE r.status = 'waiting';

-- Places in runs where events are missing because their producer dropped them. `OFFSET 0` keeps PostgreSQL from reading the
-- events of all these runs for a few rows.
CREATE VIEW holes AS
SELECT r.id AS run_id, r.agent_id, r.session_id, r.created_at, e.event_seq, e.created_at AS reported_at,
       (e.event_data ->> 'count')::bigint AS dropped_events, e.event_data -> 'types' AS types,
       e.event_data ->> 'reason' AS reason
  FROM agent_runs AS r
       CROSS JOIN LATERAL (
           SELECT event_seq, created_at, event_data
             FROM run_events
            WHERE run_id = r.id
              AND event_type = 'events_dropped'
           OFFSET 0
       ) AS e
 WHERE r.dropped_events > 0;

-- Running runs whose last event is older than five minutes.
CREATE VIEW silent_runs AS
SELECT id AS run_id, agent_id, session_id, created_at, updated_at AS last_event_at, now() - updated_at AS silent_for
  FROM agent_runs
 WHERE status = 'running'
   AND updated_at < now() - interval '5 minutes'
   AND created_at < now() - interval '5 minutes';  -- follows from the line above, and can use an index

-- Calls of models, numbered within their run. The texts are read of the rows that a query returns only.
CREATE VIEW model_calls AS
SELECT run_id, n, event_seq, created_at, event_data ->> 'model' AS model,
       event_data ->> 'system_prompt' AS system_prompt, event_data ->> 'user_prompt' AS user_prompt,
       event_data ->> 'raw_response' AS answer, event_data ->> 'error' AS error, event_data -> 'usage' AS usage
  FROM (
        SELECT run_id, event_seq, created_at, event_data,
               row_number() OVER (PARTITION BY run_id ORDER BY event_seq) AS n
          FROM run_events
         WHERE event_type IN ('llm_called', 'llm_failed')
       ) AS calls;

-- What psql shows with \d+. A test compares the comments on columns with those above.
COMMENT ON TABLE agent_runs IS 'The runs, one row each: facts, status, and number of events.';
COMMENT ON COLUMN agent_runs.id IS 'the key of the run''s records';
COMMENT ON COLUMN agent_runs.parent_run_id IS 'the run that spawned this one';
COMMENT ON COLUMN agent_runs.agent_id IS '''unknown'' before the first run_started';
COMMENT ON COLUMN agent_runs.session_id IS 'the conversation that the agent assigns the run to';
COMMENT ON COLUMN agent_runs.status IS 'the fold of the run''s events (agent_runs.status)';
COMMENT ON COLUMN agent_runs.created_at IS
    'record timestamp of the first event; of a run without events: of the earliest run_started that names it';
COMMENT ON COLUMN agent_runs.updated_at IS 'record timestamp of the last event; without events: created_at';
COMMENT ON COLUMN agent_runs.event_count IS 'events stored; also the next event_seq';
COMMENT ON COLUMN agent_runs.status_changed_at IS 'of the event that last changed the status; before any: created_at';
COMMENT ON COLUMN agent_runs.dropped_events IS 'events that the producer reports as dropped';
COMMENT ON COLUMN agent_runs.started_at IS 'record timestamp of the first run_started; NULL before it';
COMMENT ON COLUMN agent_runs.open_questions IS
    '[{"id": …, "tool_name": …}, …]: requests of waiting tools without an answer, oldest first';
COMMENT ON COLUMN agent_runs.answered_questions IS 'the last ones that were closed; only the fold needs them';
COMMENT ON COLUMN agent_runs.completed_by_tool IS 'completed without a run_completed: a run_failed replaces it';
COMMENT ON COLUMN agent_runs.labels IS '{"name": "value", …} of the first run_started';
COMMENT ON TABLE run_events IS
    'The events of the runs, append-only, numbered 0, 1, 2 … within each run in the order of the topic.';
COMMENT ON COLUMN run_events.id IS 'the message''s id';
COMMENT ON COLUMN run_events.run_id IS 'the record''s key';
COMMENT ON COLUMN run_events.parent_event_id IS 'an event of the same run; it may arrive later, or never';
COMMENT ON COLUMN run_events.event_seq IS '0, 1, 2 … without gaps within the run';
COMMENT ON COLUMN run_events.event_type IS 'the message''s type';
COMMENT ON COLUMN run_events.event_data IS 'the whole message';
COMMENT ON COLUMN run_events.created_at IS 'the record''s timestamp';
COMMENT ON COLUMN run_events.source_partition IS 'the partition of the record';
COMMENT ON COLUMN run_events.source_offset IS 'the offset of the record';
COMMENT ON COLUMN run_events.raw IS
    'the exact message, if event_data has U+FFFD in place of characters that JSONB cannot store; else NULL';
COMMENT ON TABLE consumer_offsets IS 'How far each partition of the topic is stored.';
COMMENT ON COLUMN consumer_offsets.topic IS 'the topic';
COMMENT ON COLUMN consumer_offsets.partition IS 'the partition';
COMMENT ON COLUMN consumer_offsets.first_offset IS
    'where consumption of this partition started, or resumed after an accepted loss';
COMMENT ON COLUMN consumer_offsets.next_offset IS
    'the offset after the last record passed; changed only by compare-and-set';
COMMENT ON COLUMN consumer_offsets.last_offset IS 'the offset of the last record passed';
COMMENT ON COLUMN consumer_offsets.last_timestamp IS 'that record''s timestamp; both are the fingerprint of the log';
COMMENT ON COLUMN consumer_offsets.repeats IS 'records whose event or dead letter was already stored';
COMMENT ON COLUMN consumer_offsets.updated_at IS 'wall clock';
COMMENT ON TABLE dead_letters IS 'Records that were refused, with their exact bytes.';
COMMENT ON COLUMN dead_letters.id IS 'the number that operators use for the dead letter';
COMMENT ON COLUMN dead_letters.topic IS 'the topic of the record';
COMMENT ON COLUMN dead_letters.partition IS 'the partition of the record';
COMMENT ON COLUMN dead_letters.record_offset IS 'the offset of the record';
COMMENT ON COLUMN dead_letters.record_timestamp IS 'NULL outside the years 1 to 9999';
COMMENT ON COLUMN dead_letters.key IS 'the record''s exact bytes; NULL if the record has none';
COMMENT ON COLUMN dead_letters.value IS 'the record''s exact bytes; NULL if the record has none';
COMMENT ON COLUMN dead_letters.headers IS '[[name, base64 or null], …]';
COMMENT ON COLUMN dead_letters.reason IS 'why the record was refused the last time';
COMMENT ON COLUMN dead_letters.detail IS 'what exactly was wrong with the record';
COMMENT ON COLUMN dead_letters.state IS 'open, resolved (its event is stored), or discarded';
COMMENT ON COLUMN dead_letters.retries IS 'retries that refused the record again';
COMMENT ON COLUMN dead_letters.created_at IS 'wall clock';
COMMENT ON COLUMN dead_letters.updated_at IS 'wall clock';
COMMENT ON COLUMN dead_letters.offset_count IS
    'offsets that it stands for, from record_offset on; more than 1 for a record batch that cannot be split into records';
COMMENT ON COLUMN dead_letters.omitted_headers IS 'further headers of the record, which are not stored';
COMMENT ON TABLE dead_letter_history IS 'Operators'' actions on dead letters.';
COMMENT ON COLUMN dead_letter_history.letter_id IS 'the dead letter';
COMMENT ON COLUMN dead_letter_history.id IS 'a number';
COMMENT ON COLUMN dead_letter_history.at IS 'wall clock';
COMMENT ON COLUMN dead_letter_history.action IS 'refused (the first refusal), retried, resolved, discarded, or skipped';
COMMENT ON COLUMN dead_letter_history.reason IS 'why the record was refused; NULL for ''resolved'' and ''discarded''';
COMMENT ON COLUMN dead_letter_history.detail IS 'what was wrong, where the event is stored, or why it was discarded';
COMMENT ON COLUMN dead_letter_history.actor IS 'who discarded or skipped it; else NULL';
COMMENT ON TABLE accepted_losses IS 'Operators'' decisions to continue without records that the log has lost.';
COMMENT ON COLUMN accepted_losses.id IS 'a number';
COMMENT ON COLUMN accepted_losses.topic IS 'the topic';
COMMENT ON COLUMN accepted_losses.partition IS 'the partition';
COMMENT ON COLUMN accepted_losses.first_offset IS
    'copied from consumer_offsets before the change, as are the next four columns';
COMMENT ON COLUMN accepted_losses.next_offset IS 'copied from consumer_offsets before the change';
COMMENT ON COLUMN accepted_losses.last_offset IS 'copied from consumer_offsets before the change';
COMMENT ON COLUMN accepted_losses.last_timestamp IS 'copied from consumer_offsets before the change';
COMMENT ON COLUMN accepted_losses.repeats IS 'copied from consumer_offsets before the change';
COMMENT ON COLUMN accepted_losses.resumed_at IS 'the offset at which consumption continues';
COMMENT ON COLUMN accepted_losses.reason IS 'why the partition had halted';
COMMENT ON COLUMN accepted_losses.accepted_by IS 'who decided';
COMMENT ON COLUMN accepted_losses.accepted_at IS 'wall clock';

COMMENT ON VIEW failed_runs IS 'Failed runs, with the error of their last run_failed.';
COMMENT ON COLUMN failed_runs.run_id IS 'the run';
COMMENT ON COLUMN failed_runs.agent_id IS 'its agent';
COMMENT ON COLUMN failed_runs.session_id IS 'its session';
COMMENT ON COLUMN failed_runs.parent_run_id IS 'the run that spawned it';
COMMENT ON COLUMN failed_runs.created_at IS 'record timestamp of its first event';
COMMENT ON COLUMN failed_runs.failed_at IS 'record timestamp of the event that made the run fail';
COMMENT ON COLUMN failed_runs.error IS 'the error of the last run_failed';
COMMENT ON VIEW open_questions IS 'Questions that nobody has answered: the requests of waiting tools.';
COMMENT ON COLUMN open_questions.run_id IS 'the run that waits';
COMMENT ON COLUMN open_questions.agent_id IS 'its agent';
COMMENT ON COLUMN open_questions.session_id IS 'its session';
COMMENT ON COLUMN open_questions.waiting_since IS 'record timestamp of the event that last changed the status of the run';
COMMENT ON COLUMN open_questions.question_id IS 'the id of the request; an answer names it as its parent_event_id';
COMMENT ON COLUMN open_questions.tool_name IS 'the tool';
COMMENT ON COLUMN open_questions.question IS 'the arguments of the request';
COMMENT ON COLUMN open_questions.asked_at IS 'record timestamp of the request';
COMMENT ON COLUMN open_questions.event_seq IS 'the number of the request in the run';
COMMENT ON VIEW waiting_runs IS 'Waiting runs, with what they wait for.';
COMMENT ON COLUMN waiting_runs.run_id IS 'the run';
COMMENT ON COLUMN waiting_runs.agent_id IS 'its agent';
COMMENT ON COLUMN waiting_runs.session_id IS 'its session';
COMMENT ON COLUMN waiting_runs.parent_run_id IS 'the run that spawned it';
COMMENT ON COLUMN waiting_runs.created_at IS 'record timestamp of its first event; a list in this order uses an index';
COMMENT ON COLUMN waiting_runs.waiting_since IS 'record timestamp of the event that last changed the status';
COMMENT ON COLUMN waiting_runs.waits_for IS
    'answer: of a person or another tool, see open_questions; child: the end of a child run; other: see reason';
COMMENT ON COLUMN waiting_runs.reason IS 'the reason of the last run_waiting, such as a rate limit; NULL with open questions';
COMMENT ON COLUMN waiting_runs.unfinished_children IS 'its child runs that are running or waiting';
COMMENT ON VIEW holes IS 'Places in runs where events are missing because their producer dropped them.';
COMMENT ON COLUMN holes.run_id IS 'the run';
COMMENT ON COLUMN holes.agent_id IS 'its agent';
COMMENT ON COLUMN holes.session_id IS 'its session';
COMMENT ON COLUMN holes.created_at IS 'record timestamp of the first event of the run; a list in this order uses an index';
COMMENT ON COLUMN holes.event_seq IS 'the number of the events_dropped in the run: the missing events belong before it';
COMMENT ON COLUMN holes.reported_at IS 'record timestamp of the events_dropped';
COMMENT ON COLUMN holes.dropped_events IS 'how many events are missing';
COMMENT ON COLUMN holes.types IS '{"type": number, …} of them, as far as known';
COMMENT ON COLUMN holes.reason IS 'why the producer dropped them';
COMMENT ON VIEW silent_runs IS 'Running runs whose last event is older than five minutes.';
COMMENT ON COLUMN silent_runs.run_id IS 'the run';
COMMENT ON COLUMN silent_runs.agent_id IS 'its agent';
COMMENT ON COLUMN silent_runs.session_id IS 'its session';
COMMENT ON COLUMN silent_runs.created_at IS 'record timestamp of its first event';
COMMENT ON COLUMN silent_runs.last_event_at IS 'record timestamp of the last event';
COMMENT ON COLUMN silent_runs.silent_for IS 'the time since then';
COMMENT ON VIEW model_calls IS 'Calls of language models, numbered within their run.';
COMMENT ON COLUMN model_calls.run_id IS 'the run';
COMMENT ON COLUMN model_calls.n IS '1, 2, 3 … within the run; calls that failed count';
COMMENT ON COLUMN model_calls.event_seq IS 'the number of the event in the run';
COMMENT ON COLUMN model_calls.created_at IS 'record timestamp of the event';
COMMENT ON COLUMN model_calls.model IS 'the name of the model';
COMMENT ON COLUMN model_calls.system_prompt IS 'the exact system prompt';
COMMENT ON COLUMN model_calls.user_prompt IS 'the exact user prompt';
COMMENT ON COLUMN model_calls.answer IS 'the exact answer; NULL if the call failed';
COMMENT ON COLUMN model_calls.error IS 'why the call failed; NULL if it did not';
COMMENT ON COLUMN model_calls.usage IS 'the further field usage, by convention the numbers of tokens';
