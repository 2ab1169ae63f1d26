-- The statements of one ingest transaction.

-- move_offsets --
-- The fence: a compare-and-set of the offsets. Moves only the partitions whose offset is at the start of their slice. If
-- it returns fewer rows than there are partitions, another process has moved the others. Locks in the order of the
-- partitions, so that two owners wait for each other and never deadlock.
-- $1 topic, $2 partitions, $3 start offsets, $4 end offsets, $5 $6 offset and timestamp of the last record
WITH matching AS (
    SELECT o.topic, o.partition, b.end_offset, b.last_offset, b.last_timestamp
      FROM consumer_offsets AS o
      JOIN unnest($2::integer[], $3::bigint[], $4::bigint[], $5::bigint[], $6::timestamptz[])
        AS b (partition, start_offset, end_offset, last_offset, last_timestamp) ON b.partition = o.partition
     WHERE o.topic = $1
       AND o.next_offset = b.start_offset
     ORDER BY o.topic, o.partition
       FOR NO KEY UPDATE OF o
)
UPDATE consumer_offsets AS o
   SET next_offset = matching.end_offset,
       last_offset = coalesce(matching.last_offset, o.last_offset),
       last_timestamp = coalesce(matching.last_timestamp, o.last_timestamp),
       updated_at = now()
  FROM matching
 WHERE o.topic = matching.topic
   AND o.partition = matching.partition
RETURNING o.partition, o.next_offset

-- count_repeats --
-- Adds to the number of repeats of partitions whose offsets this transaction has moved.
-- $1 topic, $2 partitions, $3 numbers to add
UPDATE consumer_offsets AS o
   SET repeats = o.repeats + b.repeats
  FROM unnest($2::integer[], $3::bigint[]) AS b (partition, repeats)
 WHERE o.topic = $1
   AND o.partition = b.partition

-- look_up --
-- The events whose id is already stored in their run, and whether the stored content is the same: equal bytes if a
-- message cannot be stored as JSONB, otherwise equal as JSONB. Values are passed as bytes and parsed only for these
-- events, even if the comparison of bytes is enough: a value that JSONB cannot store must fail here, because such a record
-- is rejected, even if it is a repeat.
-- $1 run ids, $2 event ids, $3 values, $4 raws. Returns positions in the arrays, from 1
SELECT b.position,
       CASE WHEN e.raw IS NULL AND b.raw IS NULL THEN e.event_data = convert_from(b.value, 'UTF8')::jsonb
            WHEN e.raw = coalesce(b.raw, b.value) THEN true
            ELSE convert_from(b.value, 'UTF8')::jsonb IS NULL
       END AS same
  FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bytea[])
       WITH ORDINALITY AS b (run_id, id, value, raw, position)
  JOIN run_events AS e ON e.run_id = b.run_id AND e.id = b.id

-- same_values --
-- The pairs of values that are equal as JSONB.
-- $1 $2 values. Returns positions in the arrays, from 1
SELECT b.position
  FROM unnest($1::jsonb[], $2::jsonb[]) WITH ORDINALITY AS b (one, other, position)
 WHERE b.one = b.other

-- started_runs --
-- Those of the given runs that already have a run_started.
-- $1 run ids
SELECT id
  FROM agent_runs
 WHERE id = ANY ($1::text[])
   AND started_at IS NOT NULL

-- insert_runs --
-- Inserts missing runs, and missing parents of runs. Inserts in the order of the ids, and before any row is locked, so that
-- two lanes that insert the same parent wait for each other and never deadlock.
-- $1 ids in order, $2 timestamps of the first records that name them
INSERT INTO agent_runs (id, agent_id, status, created_at, updated_at, status_changed_at)
SELECT b.id, 'unknown', 'running', b.at, b.at, b.at
  FROM unnest($1::text[], $2::timestamptz[]) AS b (id, at)
 ORDER BY b.id
    ON CONFLICT (id) DO NOTHING

-- lock_runs --
-- Locks the runs of the batch, and the parents without events whose times the batch lowers, in the order of the ids. A
-- parent with events is not locked: otherwise lanes with a common parent would wait for each other.
-- $1 ids, $2 NULL for a run of the batch; for a parent the time to lower its times to
-- Returns NULL for an empty list of questions
SELECT r.id, r.status, r.event_count, r.dropped_events, r.started_at IS NOT NULL AS started, b.lower_to,
       nullif(r.open_questions, '[]') AS open_questions, nullif(r.answered_questions, '[]') AS answered_questions,
       r.completed_by_tool
  FROM agent_runs AS r
  JOIN unnest($1::text[], $2::timestamptz[]) AS b (id, lower_to) ON b.id = r.id
 WHERE b.lower_to IS NULL OR (r.event_count = 0 AND r.created_at > b.lower_to)
 ORDER BY r.id
   FOR NO KEY UPDATE OF r

-- lower_stubs --
-- Sets the times of parents without events to those of the earliest run_started that names them. The rows are locked.
-- $1 ids, $2 times. Returns a row for each updated one
UPDATE agent_runs AS r
   SET created_at = b.at, updated_at = b.at, status_changed_at = b.at
  FROM unnest($1::text[], $2::timestamptz[]) AS b (id, at)
 WHERE r.id = b.id
RETURNING r.id

-- update_runs --
-- Updates the batch's runs from their heads. NULL leaves a column unchanged. The rows are locked.
-- $1 ids, $2 to $11 the columns, $12 a JSON object of the columns that few runs change: an array for each of these columns
-- would cost every run a few microseconds. Returns how many rows have the values of their heads: a trigger may leave a row
-- out, or change its values
WITH updated AS (
    UPDATE agent_runs AS r
       SET status = b.status,
           event_count = b.event_count,
           updated_at = b.updated_at,
           created_at = coalesce(b.created_at, r.created_at),
           status_changed_at = coalesce(b.status_changed_at, r.status_changed_at),
           dropped_events = b.dropped_events,
           started_at = coalesce(b.started_at, r.started_at),
           agent_id = coalesce(b.agent_id, r.agent_id),
           session_id = coalesce(b.session_id, r.session_id),
           parent_run_id = coalesce(b.parent_run_id, r.parent_run_id),
           completed_by_tool = coalesce((b.rarely_changed -> 'completed_by_tool')::boolean, r.completed_by_tool),
           open_questions = coalesce(b.rarely_changed -> 'open_questions', r.open_questions),
           answered_questions = coalesce(b.rarely_changed -> 'answered_questions', r.answered_questions),
           labels = coalesce(b.rarely_changed -> 'labels', r.labels)
      FROM unnest(
            $1::text[], $2::text[], $3::integer[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[],
            $7::bigint[], $8::timestamptz[], $9::text[], $10::text[], $11::text[], $12::jsonb[]
           ) AS b (id, status, event_count, updated_at, created_at, status_changed_at,
                   dropped_events, started_at, agent_id, session_id, parent_run_id, rarely_changed)
     WHERE r.id = b.id
    RETURNING r.event_count = b.event_count AND r.status = b.status AND r.updated_at = b.updated_at AS unchanged
)
SELECT count(*) FILTER (WHERE unchanged) AS unchanged
  FROM updated

-- insert_dead_letters --
-- Inserts dead letters. Existing rows and their states stay unchanged when a topic is consumed again.
-- $1 topic, $2 to $11 the columns. Returns the coordinates and ids of the new rows
INSERT INTO dead_letters (topic, partition, record_offset, record_timestamp, key, value, headers, reason, detail,
                          offset_count, omitted_headers)
SELECT $1, b.*
  FROM unnest(
        $2::integer[], $3::bigint[], $4::timestamptz[], $5::bytea[], $6::bytea[], $7::jsonb[], $8::text[], $9::text[],
        $10::bigint[], $11::integer[]
       ) AS b
    ON CONFLICT ON CONSTRAINT dead_letters_record_key DO NOTHING
RETURNING partition, record_offset, id

-- dead_letters_of_records --
-- The records that have a dead letter.
-- $1 topic, $2 partitions, $3 offsets, $4 timestamps
SELECT d.id
  FROM unnest($2::integer[], $3::bigint[], $4::timestamptz[]) AS b (partition, record_offset, record_timestamp)
  JOIN dead_letters AS d ON d.topic = $1 AND d.partition = b.partition AND d.record_offset = b.record_offset
   AND d.record_timestamp IS NOT DISTINCT FROM b.record_timestamp

-- refused_values --
-- The messages that JSONB cannot store, each with PostgreSQL's error message.
-- $1 messages. Returns positions in the array, from 1
SELECT b.position, f.message
  FROM unnest($1::bytea[]) WITH ORDINALITY AS b (value, position),
       LATERAL (SELECT convert_from(b.value, 'UTF8') AS value) AS t,
       LATERAL pg_input_error_info(t.value, 'jsonb') AS f
 WHERE f.message IS NOT NULL
