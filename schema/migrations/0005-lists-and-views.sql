-- Indices for lists by creation time, views for people with SQL, and comments
-- depends: 0003-unreadable-records

-- migrate: apply

-- Building an index blocks the consumers, which wait and retry: about 10 s for ten million runs.
-- Lists are ordered by creation time.
DROP INDEX agent_runs_status_idx;
CREATE INDEX agent_runs_status_idx ON agent_runs (status, created_at DESC, id DESC);
CREATE INDEX agent_runs_created_idx ON agent_runs (created_at DESC, id DESC);
CREATE INDEX agent_runs_dropped_events_idx ON agent_runs (created_at DESC, id DESC) WHERE dropped_events > 0;

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

-- migrate: rollback

DROP VIEW failed_runs, silent_runs, model_calls;
DROP INDEX agent_runs_created_idx, agent_runs_dropped_events_idx, agent_runs_status_idx;
CREATE INDEX agent_runs_status_idx ON agent_runs (status, status_changed_at DESC, id DESC);
