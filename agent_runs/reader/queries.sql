-- The statements of the reader. They are planned with their parameters: `$1 IS NULL OR …` costs nothing if $1 is NULL.

-- begin --
-- Begins a transaction with one snapshot. `$schema` is replaced by the schema of the tables, `$timeout` by milliseconds, a little less than the deadline of the
-- caller. Compiling a query takes longer than these queries. PostgreSQL 16 has no `transaction_timeout`.
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL search_path = "$schema"; SET LOCAL statement_timeout = $timeout; SET LOCAL jit = off;
SET LOCAL idle_in_transaction_session_timeout = $timeout;
SELECT set_config('transaction_timeout', '0', true) WHERE current_setting('transaction_timeout', true) <> '0'

-- commit --
COMMIT

-- runs_by_id --
-- $1 ids
SELECT id, parent_run_id, agent_id, session_id, created_at, updated_at, status, event_count, status_changed_at, started_at,
       dropped_events, open_questions, labels
  FROM agent_runs
 WHERE id = ANY ($1::text[])

-- runs_with_new_events --
-- Those of some runs that have events after a number: one lookup by key for each run.
-- $1 ids, $2 number of the last event before the new ones of each
SELECT id, parent_run_id, agent_id, session_id, created_at, updated_at, status, event_count, status_changed_at, started_at,
       dropped_events, open_questions, labels
  FROM unnest($1::text[], $2::integer[]) AS wanted (run_id, after)
  JOIN agent_runs ON id = wanted.run_id
 WHERE event_count - 1 > wanted.after

-- list_runs --
-- A page of runs, newest first.
-- $1 status, $2 agent, $3 session, $4 parent, $5 $6 created from and before, $7 $8 updated from and before, $9 running, and
-- silent since before this time, $10 with dropped events, $11 with these labels, $12 with open questions, $13 without a parent,
-- $14 $15 creation time and id of the last run of the previous page, $16 number of runs. NULL, or false for $10, $12 and $13:
-- no condition. $11 is never empty
SELECT id, parent_run_id, agent_id, session_id, created_at, updated_at, status, event_count, status_changed_at, started_at,
       dropped_events, open_questions, labels
  FROM agent_runs
 WHERE ($1::text IS NULL OR status = $1)
   AND ($2::text IS NULL OR agent_id = $2)
   AND ($3::text IS NULL OR session_id = $3)
   AND ($4::text IS NULL OR parent_run_id = $4)
   AND ($5::timestamptz IS NULL OR created_at >= $5)
   AND ($7::timestamptz IS NULL OR updated_at >= $7)
   AND ($8::timestamptz IS NULL OR updated_at < $8)
   AND ($9::timestamptz IS NULL OR (status = 'running' AND updated_at < $9))
   AND (NOT $10::boolean OR dropped_events > 0)
   -- The second condition follows from the first one, and lets a list by a rare label use the index of labels.
   AND ($11::jsonb IS NULL OR (labels @> $11 AND labels <> '{}'))
   AND (NOT $12::boolean OR open_questions <> '[]')
   AND (NOT $13::boolean OR parent_run_id IS NULL)
   -- A run is created before its last event, so $8 and $9 are limits of its creation time too. All these limits are one
   -- comparison, the earliest of them: of several, an index uses one, and then reads all pages before the cursor.
   AND (least($6::timestamptz, $8, $9, $14::timestamptz) IS NULL
        OR (created_at, id) < (least($6, $8, $9, $14),
                               CASE WHEN least($6, $8, $9) IS NULL OR $14 < least($6, $8, $9) THEN $15::text ELSE '' END))
 ORDER BY created_at DESC, id DESC
 LIMIT $16

-- page_of_events --
-- The next events of a run, as many as fit in a number and in a size as stored (compressed), but at least one. The sizes
-- are summed up without reading the messages, so that a page never reads more of them than it returns.
-- $1 run, $2 number of the last event before the page, $3 number of the last event or NULL, $4 types or NULL, $5 number of
-- events, $6 bytes
SELECT event_seq, id, parent_event_id, event_type, created_at, source_partition, source_offset, raw,
       CASE WHEN raw IS NULL THEN event_data END AS message
  FROM (
        SELECT *, sum(size) OVER (ORDER BY event_seq ROWS UNBOUNDED PRECEDING) AS size_up_to
          FROM (
                SELECT *, pg_column_size(event_data) + coalesce(pg_column_size(raw), 0) AS size
                  FROM run_events
                 WHERE run_id = $1
                   AND event_seq > $2
                   AND ($3::integer IS NULL OR event_seq <= $3)
                   AND ($4::text[] IS NULL OR event_type = ANY ($4))
                 ORDER BY event_seq
                 LIMIT $5
               ) AS next
       ) AS sized
 WHERE size_up_to <= $6 OR size_up_to = size
 ORDER BY event_seq

-- numbers_of_events --
-- The numbers of the next events of some types. Reads the rows of the events that are passed over, without their messages.
-- $1 run, $2 types, $3 number of the last event before them, $4 how many of these types are passed over, $5 how many are returned
SELECT event_seq
  FROM run_events
 WHERE run_id = $1 AND event_type = ANY ($2::text[]) AND event_seq > $3
 ORDER BY event_seq
OFFSET $4
 LIMIT $5

-- last_numbers_of_events --
-- The same from the end, and how many there are.
-- $1 run, $2 types, $3 how many are returned
SELECT event_seq, count(*) OVER () AS count
  FROM run_events
 WHERE run_id = $1 AND event_type = ANY ($2::text[])
 ORDER BY event_seq DESC
 LIMIT $3

-- count_events --
-- $1 run, $2 types, $3 number of the last event that counts
SELECT count(*) AS count FROM run_events WHERE run_id = $1 AND event_type = ANY ($2::text[]) AND event_seq <= $3

-- structure_of_events --
-- What the next events of a run are, without their messages.
-- $1 run, $2 number of the last event before them, $3 how many
SELECT event_seq, id, parent_event_id, event_type, created_at
  FROM run_events
 WHERE run_id = $1 AND event_seq > $2
 ORDER BY event_seq
 LIMIT $3

-- numbers_of_ids --
-- $1 run, $2 ids of events in it
SELECT id, event_seq FROM run_events WHERE run_id = $1 AND id = ANY ($2::text[])

-- search_events --
-- Which of the next events have a text in their message, in lower case. Bounded as `page_of_events` is.
-- $1 run, $2 number of the last event before them, $3 types or NULL, $4 $5 number and bytes of the events that are searched, $6 the text
-- as JSON has it, $7 the text as it is
SELECT array_agg(event_seq) FILTER (WHERE is_hit) AS hits, max(event_seq) AS searched_to
  FROM (
        SELECT event_seq, strpos(message, $6) > 0 OR ($6 <> $7 AND strpos(message, $7) > 0) AS is_hit
          FROM (
                SELECT event_seq, lower(event_data::text) AS message
                  FROM (
                        SELECT *, sum(size) OVER (ORDER BY event_seq ROWS UNBOUNDED PRECEDING) AS size_up_to
                          FROM (
                                SELECT event_seq, event_data, pg_column_size(event_data) AS size
                                  FROM run_events
                                 WHERE run_id = $1
                                   AND event_seq > $2
                                   AND ($3::text[] IS NULL OR event_type = ANY ($3))
                                 ORDER BY event_seq
                                 LIMIT $4
                               ) AS next
                       ) AS sized
                 WHERE size_up_to <= $5 OR size_up_to = size
                OFFSET 0  -- each message becomes text once
               ) AS texts
       ) AS searched

-- usage_of_calls --
-- The sums of the numbers in the field `usage` of the next calls of models, how many calls these are, and the number of the last one.
-- Bounded as `page_of_events` is.
-- $1 run, $2 number of the last event before them, $3 types, $4 $5 number and bytes of the events
WITH calls AS MATERIALIZED (
    SELECT event_seq, event_data -> 'usage' AS usage
      FROM (
            SELECT *, sum(size) OVER (ORDER BY event_seq ROWS UNBOUNDED PRECEDING) AS size_up_to
              FROM (
                    SELECT event_seq, event_data, pg_column_size(event_data) AS size
                      FROM run_events
                     WHERE run_id = $1 AND event_seq > $2 AND event_type = ANY ($3::text[])
                     ORDER BY event_seq
                     LIMIT $4
                   ) AS next
           ) AS sized
     WHERE size_up_to <= $5 OR size_up_to = size
), numbers AS (
    SELECT name, CASE WHEN jsonb_typeof(value) = 'number' THEN value::numeric END AS number
      FROM calls
           CROSS JOIN LATERAL jsonb_each(CASE WHEN jsonb_typeof(usage) = 'object' THEN usage ELSE '{}' END) AS field (name, value)
)
SELECT NULL AS name, count(*)::double precision AS number, max(event_seq) AS searched_to FROM calls
 UNION ALL
(SELECT name, sum(number)::double precision, NULL FROM numbers WHERE number BETWEEN 0 AND 1e12 GROUP BY name ORDER BY 2 DESC LIMIT 20)

-- longest_steps --
-- The calls of models and of tools in some runs, the longest first: from the request to its answer; a call of a model, which is one event,
-- from its parent. A request without an answer has no end. No message is read.
-- $1 runs, $2 $3 begin and end of a span of time that they touch, or NULL, $4 how many
WITH events AS MATERIALIZED (
    SELECT run_id, event_seq, id, parent_event_id, event_type, created_at FROM run_events WHERE run_id = ANY ($1::text[])
), steps AS (
    SELECT event.run_id, began.event_seq AS began_seq, event.event_seq, event.event_type,
           least(began.created_at, event.created_at) AS began_at, event.created_at AS ended_at
      FROM events AS event
           LEFT JOIN events AS began ON began.run_id = event.run_id AND began.id = event.parent_event_id
     WHERE event.event_type IN ('llm_called', 'llm_failed', 'tool_succeeded', 'tool_failed')
     UNION ALL
    SELECT run_id, event_seq, event_seq, event_type, created_at, NULL
      FROM events AS request
     WHERE event_type = 'tool_requested'
       AND NOT EXISTS (SELECT
                         FROM events AS answer
                        WHERE answer.run_id = request.run_id AND answer.parent_event_id = request.id
                          AND answer.event_type IN ('tool_succeeded', 'tool_failed'))
)
SELECT *, count(*) OVER () AS total
  FROM steps
 WHERE ($2::timestamptz IS NULL OR ended_at IS NULL OR ended_at >= $2)
   AND ($3::timestamptz IS NULL OR began_at <= $3)
 ORDER BY ended_at - began_at DESC NULLS FIRST, run_id, event_seq
 LIMIT $4

-- names_of_steps --
-- The tool or the model of some events, unless the message is long.
-- $1 runs, $2 numbers of events in them, $3 bytes of the longest message that is read, as stored
SELECT event.run_id, event.event_seq, coalesce(event_data ->> 'tool_name', event_data ->> 'model') AS name
  FROM unnest($1::text[], $2::integer[]) AS wanted (run_id, event_seq)
  JOIN run_events AS event ON event.run_id = wanted.run_id AND event.event_seq = wanted.event_seq
 WHERE pg_column_size(event_data) <= $3

-- last_events --
-- Of each of these runs, its last event of a type from some event on.
-- $1 runs, $2 types, $3 numbers of the first event that is looked at
SELECT event.*
  FROM unnest($1::text[], $2::text[], $3::integer[]) AS wanted (run_id, event_type, first)
       CROSS JOIN LATERAL (
           SELECT run_id, event_seq, id, parent_event_id, event_type, created_at, source_partition, source_offset, raw,
                  CASE WHEN raw IS NULL THEN event_data END AS message
             FROM run_events
            WHERE run_id = wanted.run_id AND event_seq >= wanted.first AND event_type = wanted.event_type
            ORDER BY event_seq DESC
            LIMIT 1
       ) AS event

-- new_events --
-- The next events of each of many runs, in turns, as many as fit in a size as stored, but at least one.
-- $1 runs, $2 number of the last event before them of each, $3 number of events of a run, $4 bytes
SELECT run_id, event_seq, id, parent_event_id, event_type, created_at, source_partition, source_offset, raw,
       CASE WHEN raw IS NULL THEN event_data END AS message
  FROM (
        SELECT *, sum(size) OVER (ORDER BY place, run_id ROWS UNBOUNDED PRECEDING) AS size_up_to
          FROM (
                SELECT event.*, event_seq - after AS place, pg_column_size(event_data) + coalesce(pg_column_size(raw), 0) AS size
                  FROM unnest($1::text[], $2::integer[]) AS wanted (run_id, after)
                       CROSS JOIN LATERAL (
                           SELECT *
                             FROM run_events
                            WHERE run_id = wanted.run_id AND event_seq > wanted.after
                            ORDER BY event_seq
                            LIMIT $3
                       ) AS event
               ) AS next
       ) AS sized
 WHERE size_up_to <= $4 OR size_up_to = size
 ORDER BY run_id, event_seq

-- events_of_runs --
-- The next events of some runs, one run after the other, as many as fit in a size as stored, but at least one.
-- $1 runs, $2 number of the last event before them of each, $3 number of the last event of each, $4 bytes
SELECT run_id, event_seq, id, parent_event_id, event_type, created_at, source_partition, source_offset, raw,
       CASE WHEN raw IS NULL THEN event_data END AS message
  FROM (
        SELECT *, sum(size) OVER (ORDER BY place, event_seq ROWS UNBOUNDED PRECEDING) AS size_up_to
          FROM (
                SELECT event.*, place, pg_column_size(event_data) + coalesce(pg_column_size(raw), 0) AS size
                  FROM unnest($1::text[], $2::integer[], $3::integer[]) WITH ORDINALITY AS wanted (run_id, after, last, place)
                  JOIN run_events AS event
                    ON event.run_id = wanted.run_id AND event_seq > wanted.after AND event_seq <= wanted.last
               ) AS next
       ) AS sized
 WHERE size_up_to <= $4 OR size_up_to = size
 ORDER BY place, event_seq

-- event_without_message --
-- The next event of a run, without its message, which PostgreSQL could not return.
-- $1 run, $2 number of the last event before it, $3 number of the last event or NULL, $4 types or NULL
SELECT event_seq, id, parent_event_id, event_type, created_at, source_partition, source_offset, NULL::bytea AS raw,
       NULL::jsonb AS message
  FROM run_events
 WHERE run_id = $1
   AND event_seq > $2
   AND ($3::integer IS NULL OR event_seq <= $3)
   AND ($4::text[] IS NULL OR event_type = ANY ($4))
 ORDER BY event_seq
 LIMIT 1

-- ancestors --
-- The parent of a run, the parent of that, and so on. UNION drops runs that are already there, which ends a circle.
-- $1 run, $2 number of runs
WITH RECURSIVE chain (id) AS (
    SELECT parent_run_id FROM agent_runs WHERE id = $1 AND parent_run_id IS NOT NULL
     UNION
    SELECT run.parent_run_id FROM chain JOIN agent_runs AS run ON run.id = chain.id WHERE run.parent_run_id IS NOT NULL
)
SELECT run.id, parent_run_id, agent_id, session_id, created_at, updated_at, status, event_count, status_changed_at,
       started_at, dropped_events, open_questions, labels
  FROM (SELECT id FROM chain WHERE id <> $1 LIMIT $2) AS chain
  JOIN agent_runs AS run ON run.id = chain.id

-- descendants --
-- The children of a run, their children, and so on, level by level. PostgreSQL reads only as many as LIMIT needs. `OFFSET 0`
-- keeps it from reading all runs for a hash join.
-- $1 run, $2 number of runs
WITH RECURSIVE tree (id) AS (
    SELECT id FROM agent_runs WHERE parent_run_id = $1
     UNION
    SELECT child.id
      FROM tree
           CROSS JOIN LATERAL (SELECT id FROM agent_runs WHERE parent_run_id = tree.id OFFSET 0) AS child
)
SELECT run.id, parent_run_id, agent_id, session_id, created_at, updated_at, status, event_count, status_changed_at,
       started_at, dropped_events, open_questions, labels
  FROM (SELECT id FROM tree WHERE id <> $1 LIMIT $2) AS tree
       CROSS JOIN LATERAL (SELECT * FROM agent_runs WHERE agent_runs.id = tree.id OFFSET 0) AS run

-- count_runs_by_status --
-- Of each status, the number of runs up to a limit, and an estimate for more: the share of the status among the rows that
-- ANALYZE has sampled, times the number of rows as of the last VACUUM or ANALYZE.
-- $1 number of runs that are counted
SELECT s.status,
       (SELECT count(*) FROM (SELECT FROM agent_runs AS r WHERE r.status = s.status LIMIT $1) AS counted) AS found,
       coalesce(
           (SELECT t.reltuples * stats.most_common_freqs[array_position(stats.most_common_vals::text::text[], s.status)]
              FROM pg_class AS t
              JOIN pg_stats AS stats ON stats.attname = 'status' AND stats.tablename = t.relname
                                    AND stats.schemaname = t.relnamespace::regnamespace::text
             WHERE t.oid = 'agent_runs'::regclass), 0
       )::double precision AS estimate
  FROM unnest(ARRAY['running', 'waiting', 'completed', 'failed']) AS s (status)

-- count_runs_by_agent --
-- Reads the rows of all runs that were created since a time.
-- $1 the time, $2 number of agents
SELECT agent_id AS agent, count(*) AS runs,
       count(*) FILTER (WHERE status = 'running') AS running, count(*) FILTER (WHERE status = 'waiting') AS waiting,
       count(*) FILTER (WHERE status = 'completed') AS completed, count(*) FILTER (WHERE status = 'failed') AS failed,
       max(status_changed_at) FILTER (WHERE status = 'failed') AS last_failed_at
  FROM agent_runs
 WHERE created_at >= $1
 GROUP BY agent_id
 ORDER BY failed DESC, runs DESC, agent_id
 LIMIT $2

-- partitions --
SELECT topic, partition, next_offset, last_timestamp AS last_record_at, updated_at AS stored_at
  FROM consumer_offsets
 ORDER BY topic, partition

-- open_dead_letters --
-- $1 the largest count
SELECT count(*) AS open FROM (SELECT FROM dead_letters WHERE state = 'open' LIMIT $1) AS letters

-- runs_with_open_questions --
-- A page of runs with open questions, those first whose status has not changed for longest.
-- $1 $2 time and id of the last run of the previous page or NULL, $3 number of runs
SELECT id, parent_run_id, agent_id, session_id, created_at, updated_at, status, event_count, status_changed_at, started_at,
       dropped_events, open_questions, labels
  FROM agent_runs
 WHERE open_questions <> '[]'
   AND ($1::timestamptz IS NULL OR (status_changed_at, id) > ($1, $2::text))
 ORDER BY status_changed_at, id
 LIMIT $3

-- events_by_id --
-- $1 runs, $2 ids of events in them, $3 bytes of a message; a longer one is not returned
SELECT e.run_id, e.event_seq, e.id, e.parent_event_id, e.event_type, e.created_at, e.source_partition, e.source_offset,
       CASE WHEN size.fits THEN e.raw END AS raw,
       CASE WHEN size.fits AND e.raw IS NULL THEN e.event_data END AS message
  FROM unnest($1::text[], $2::text[]) AS wanted (run_id, id)
  JOIN run_events AS e ON e.run_id = wanted.run_id AND e.id = wanted.id
       CROSS JOIN LATERAL (
           -- As it is stored, it may be compressed: then its text is longer, and never shorter.
           SELECT CASE WHEN e.raw IS NOT NULL THEN octet_length(e.raw) <= $3::integer
                       ELSE pg_column_size(e.event_data) <= $3 AND octet_length(e.event_data::text) <= $3
                  END AS fits
       ) AS size

-- unfinished_children --
-- Of the newest children of some runs, those that have not ended.
-- $1 parents, $2 how many children of a parent are looked at, $3 how many are returned
SELECT child.*
  FROM unnest($1::text[]) AS parent (id)
       CROSS JOIN LATERAL (
           SELECT *
             FROM (
                   SELECT id, parent_run_id, agent_id, session_id, created_at, updated_at, status, event_count,
                          status_changed_at, started_at, dropped_events, open_questions, labels
                     FROM agent_runs
                    WHERE parent_run_id = parent.id
                    ORDER BY created_at DESC, id DESC
                    LIMIT $2
                  ) AS newest
            WHERE status IN ('running', 'waiting')
            LIMIT $3
       ) AS child
 ORDER BY child.created_at, child.id

-- list_dead_letters --
-- A page of open dead letters, newest first, without their values.
-- $1 reason or NULL, $2 $3 time and id of the last dead letter of the previous page or NULL, $4 number of dead letters
SELECT id, topic, partition, record_offset, record_timestamp, substring(key FOR 1000) AS key,
       octet_length(value) AS value_bytes, NULL::bytea AS value, reason, left(detail, 1000) AS detail, state, retries,
       created_at, updated_at, offset_count
  FROM dead_letters
 WHERE state = 'open'
   AND ($1::text IS NULL OR reason = $1)
   AND ($2::timestamptz IS NULL OR (created_at, id) < ($2, $3::bigint))
 ORDER BY created_at DESC, id DESC
 LIMIT $4

-- dead_letter --
-- A dead letter, with the beginning of its value.
-- $1 id, $2 bytes of the value
SELECT id, topic, partition, record_offset, record_timestamp, substring(key FOR 1000) AS key,
       octet_length(value) AS value_bytes, substring(value FOR $2::integer) AS value, reason, left(detail, 20000) AS detail,
       state, retries, created_at, updated_at, offset_count
  FROM dead_letters
 WHERE id = $1

-- count_dead_letters --
-- The number of open dead letters by reason, of those that are counted.
-- $1 number of dead letters that are counted
SELECT reason, count(*) AS open
  FROM (SELECT reason FROM dead_letters WHERE state = 'open' LIMIT $1) AS letters
 GROUP BY reason
 ORDER BY count(*) DESC, reason

-- lock_question --
-- Locks a question until the end of the transaction, unless another transaction has locked it.
-- $1 run, $2 id of the request
SELECT pg_try_advisory_xact_lock(hashtextextended($2::text, hashtextextended($1::text, 0))) AS is_locked

-- question_texts --
-- The requests of questions, with the beginning of what they ask: the first of some arguments that is text, else all of them.
-- $1 runs, $2 ids of requests in them, $3 number of characters
SELECT e.run_id, e.id, e.event_seq, e.created_at,
       left(CASE 'string'
                WHEN jsonb_typeof(a.args -> 'question') THEN a.args ->> 'question'
                WHEN jsonb_typeof(a.args -> 'text') THEN a.args ->> 'text'
                WHEN jsonb_typeof(a.args -> 'message') THEN a.args ->> 'message'
                WHEN jsonb_typeof(a.args -> 'prompt') THEN a.args ->> 'prompt'
                WHEN jsonb_typeof(a.args -> 'task') THEN a.args ->> 'task'
                WHEN jsonb_typeof(a.args) THEN a.args #>> '{}'
                ELSE nullif(a.args::text, 'null')
            END, $3::integer) AS text
  FROM unnest($1::text[], $2::text[]) AS wanted (run_id, id)
  JOIN run_events AS e ON e.run_id = wanted.run_id AND e.id = wanted.id
       CROSS JOIN LATERAL (SELECT e.event_data -> 'tool_args' AS args OFFSET 0) AS a

-- newest_waiting_runs --
-- The runs with open questions whose status has changed last.
-- $1 number of runs
SELECT id, parent_run_id, agent_id, session_id, created_at, updated_at, status, event_count, status_changed_at, started_at,
       dropped_events, open_questions, labels
  FROM agent_runs
 WHERE open_questions <> '[]'
 ORDER BY status_changed_at DESC, id DESC
 LIMIT $1

-- find_runs --
-- Runs whose id has a prefix.
-- $1 the prefix, $2 the first text after all texts with it or NULL, $3 number of runs
SELECT id, parent_run_id, agent_id, session_id, created_at, updated_at, status, event_count, status_changed_at, started_at,
       dropped_events, open_questions, labels
  FROM agent_runs
 WHERE id >= $1
   AND ($2::text IS NULL OR id < $2)
 ORDER BY id
 LIMIT $3

-- find_agents --
-- The names of agents with a prefix: each step reads the next name of the index, whatever the number of its runs is.
-- $1 the prefix, $2 the first text after all texts with it or NULL, $3 number of names
WITH RECURSIVE names (name) AS (
    (SELECT agent_id FROM agent_runs WHERE agent_id >= $1 ORDER BY agent_id LIMIT 1)
     UNION ALL
    SELECT (SELECT agent_id FROM agent_runs WHERE agent_id > names.name ORDER BY agent_id LIMIT 1)
      FROM names
     WHERE names.name IS NOT NULL
)
SELECT name FROM (SELECT name FROM names LIMIT $3) AS first WHERE name IS NOT NULL AND ($2::text IS NULL OR name < $2)

-- find_sessions --
-- The same for sessions.
-- $1 the prefix, $2 the first text after all texts with it or NULL, $3 number of names
WITH RECURSIVE names (name) AS (
    (SELECT session_id FROM agent_runs WHERE session_id >= $1 ORDER BY session_id LIMIT 1)
     UNION ALL
    SELECT (SELECT session_id FROM agent_runs WHERE session_id > names.name ORDER BY session_id LIMIT 1)
      FROM names
     WHERE names.name IS NOT NULL
)
SELECT name FROM (SELECT name FROM names LIMIT $3) AS first WHERE name IS NOT NULL AND ($2::text IS NULL OR name < $2)

-- find_failures --
-- The newest failed runs whose error has a text. The last run_failed of a failed run is nearly always among its last events.
-- $1 the text, $2 number of runs that are searched, $3 number of runs that are returned
SELECT id, parent_run_id, agent_id, session_id, created_at, updated_at, status, event_count, status_changed_at, started_at,
       dropped_events, open_questions, labels, left(error, 300) AS error
  FROM (SELECT * FROM agent_runs WHERE status = 'failed' ORDER BY created_at DESC, id DESC LIMIT $2) AS failed
       CROSS JOIN LATERAL (
           SELECT left(event_data ->> 'error', 10000) AS error
             FROM run_events
            WHERE run_id = failed.id
              AND event_seq >= failed.event_count - 20
              AND event_type = 'run_failed'
            ORDER BY event_seq DESC
            LIMIT 1
       ) AS last
 WHERE strpos(lower(error), lower($1)) > 0
 ORDER BY created_at DESC, id DESC
 LIMIT $3
