-- Every query of the service. A block begins with its name; then its purpose, its parameters, its text.
-- Times go in and out as milliseconds since 1970 (the connection's codec for timestamptz).

-- move_offsets --
-- The fence. Compare and set: moves only the partitions that still stand where the batch begins. Fewer rows than
-- asked: somebody else has moved on. Locks in the order of the partitions, so that two owners queue and never deadlock.
-- $1 topic, $2 partitions, $3 where the batch begins, $4 where it ends, $5 $6 the last record's offset and timestamp
WITH ours AS (
    SELECT o.topic, o.partition, b.ends, b.last_offset, b.last_timestamp
      FROM consumer_offsets AS o
      JOIN unnest($2::integer[], $3::bigint[], $4::bigint[], $5::bigint[], $6::timestamptz[])
        AS b (partition, begins, ends, last_offset, last_timestamp) ON b.partition = o.partition
     WHERE o.topic = $1
       AND o.next_offset = b.begins
     ORDER BY o.topic, o.partition
       FOR NO KEY UPDATE OF o
)
UPDATE consumer_offsets AS o
   SET next_offset = ours.ends,
       last_offset = coalesce(ours.last_offset, o.last_offset),
       last_timestamp = coalesce(ours.last_timestamp, o.last_timestamp),
       updated_at = now()
  FROM ours
 WHERE o.topic = ours.topic
   AND o.partition = ours.partition
RETURNING o.partition

-- count_repeats --
-- Adds to the repeats of partitions whose offsets this transaction has moved.
-- $1 topic, $2 partitions, $3 how many more
UPDATE consumer_offsets AS o
   SET repeats = o.repeats + b.repeats
  FROM unnest($2::integer[], $3::bigint[]) AS b (partition, repeats)
 WHERE o.topic = $1
   AND o.partition = b.partition

-- terminate_stalled_owner --
-- Ends the backends of ours that hold these offsets for too long: a process that was stopped in mid COPY keeps its
-- locks, and no timeout of the server ends it. An uncommitted UPDATE shows in the old row version's xmax.
-- Materialized, because conditions are tried in the order of their cost: in the same WHERE, terminating comes first,
-- and ends every backend of the whole server.
-- $1 topic, $2 partitions, $3 application_name, $4 seconds that a transaction may last
WITH stalled AS MATERIALIZED (
    SELECT a.pid
      FROM consumer_offsets AS o
      JOIN pg_stat_activity AS a ON a.backend_xid = o.xmax
     WHERE o.topic = $1
       AND o.partition = ANY ($2::integer[])
       AND a.usename = current_user
       AND a.application_name = $3
       AND a.pid <> pg_backend_pid()
       AND a.xact_start < clock_timestamp() - make_interval(secs => $4::double precision)
)
SELECT pid
  FROM stalled
 WHERE pg_terminate_backend(pid)

-- look_up --
-- Which of these events have an id that is stored already, and whether their content is the stored one's: the same bytes
-- where JSONB cannot hold them, else equal as JSONB. Values come as bytes and are read only beside a stored one; then
-- also where the bytes have told already, because what JSONB cannot hold is refused before anything else is said of it.
-- $1 run ids, $2 event ids, $3 values, $4 raws; gives positions in them, from 1
SELECT b.position,
       CASE WHEN e.raw IS NULL AND b.raw IS NULL THEN e.event_data = convert_from(b.value, 'UTF8')::jsonb
            WHEN e.raw = coalesce(b.raw, b.value) THEN true
            ELSE convert_from(b.value, 'UTF8')::jsonb IS NULL
       END AS same
  FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bytea[])
       WITH ORDINALITY AS b (run_id, id, value, raw, position)
  JOIN run_events AS e ON e.run_id = b.run_id AND e.id = b.id

-- same_values --
-- Which of these pairs are equal as JSONB.
-- $1 $2 values; gives positions in them, from 1
SELECT b.position
  FROM unnest($1::jsonb[], $2::jsonb[]) WITH ORDINALITY AS b (one, other, position)
 WHERE b.one = b.other

-- started_runs --
-- Which of these runs have a run_started that counts.
-- $1 run ids
SELECT id
  FROM agent_runs
 WHERE id = ANY ($1::text[])
   AND started_at IS NOT NULL

-- insert_runs --
-- Makes the rows that are missing, of runs and of parents that have not arrived yet. In the order of the ids, and before
-- any is locked: two lanes that make the same parent queue and never deadlock.
-- $1 ids in order, $2 the record timestamps that made them known
INSERT INTO agent_runs (id, agent_id, status, created_at, updated_at, status_changed_at)
SELECT b.id, 'unknown', 'running', b.at, b.at, b.at
  FROM unnest($1::text[], $2::timestamptz[]) AS b (id, at)
 ORDER BY b.id
    ON CONFLICT (id) DO NOTHING

-- lock_runs --
-- Locks, in the order of the ids, the batch's own runs and those parents without events whose times it will lower. A
-- parent with events is never locked: lanes with a common parent would queue on it.
-- $1 ids, $2 NULL for a run of the batch, for a parent the time to lower its times to
SELECT r.id, r.status, r.event_count, r.started_at IS NOT NULL AS started, b.lower_to
  FROM agent_runs AS r
  JOIN unnest($1::text[], $2::timestamptz[]) AS b (id, lower_to) ON b.id = r.id
 WHERE b.lower_to IS NULL OR (r.event_count = 0 AND r.created_at > b.lower_to)
 ORDER BY r.id
   FOR NO KEY UPDATE OF r

-- lower_stubs --
-- A parent without events dates from the earliest run_started that names it. The rows are locked.
-- $1 ids, $2 times
UPDATE agent_runs AS r
   SET created_at = b.at, updated_at = b.at, status_changed_at = b.at
  FROM unnest($1::text[], $2::timestamptz[]) AS b (id, at)
 WHERE r.id = b.id

-- update_runs --
-- Writes back the heads of the batch's runs; NULL leaves a column as it is. The rows are locked.
-- $1 ids, then columns
UPDATE agent_runs AS r
   SET status = b.status,
       event_count = b.event_count,
       updated_at = b.updated_at,
       created_at = coalesce(b.created_at, r.created_at),
       status_changed_at = coalesce(b.status_changed_at, r.status_changed_at),
       dropped_events = r.dropped_events + b.dropped_events,
       started_at = coalesce(b.started_at, r.started_at),
       agent_id = coalesce(b.agent_id, r.agent_id),
       session_id = coalesce(b.session_id, r.session_id),
       parent_run_id = coalesce(b.parent_run_id, r.parent_run_id)
  FROM unnest(
        $1::text[], $2::text[], $3::integer[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[],
        $7::bigint[], $8::timestamptz[], $9::text[], $10::text[], $11::text[]
       ) AS b (id, status, event_count, updated_at, created_at, status_changed_at,
               dropped_events, started_at, agent_id, session_id, parent_run_id)
 WHERE r.id = b.id

-- insert_dead_letters --
-- Keeps what is there: a topic that is consumed again finds its letters, and their states, as they were.
-- $1 topic, then columns; gives the places of the letters that are new
INSERT INTO dead_letters (topic, partition, record_offset, record_timestamp, key, value, headers, reason, detail)
SELECT $1, b.*
  FROM unnest(
        $2::integer[], $3::bigint[], $4::timestamptz[], $5::bytea[], $6::bytea[], $7::jsonb[], $8::text[], $9::text[]
       ) AS b
    ON CONFLICT ON CONSTRAINT dead_letters_record_key DO NOTHING
RETURNING partition, record_offset

-- refused_values --
-- Which of these messages JSONB cannot hold, and what PostgreSQL says of them.
-- $1 messages; gives positions in them, from 1
SELECT b.position, f.message
  FROM unnest($1::bytea[]) WITH ORDINALITY AS b (value, position),
       LATERAL (SELECT convert_from(b.value, 'UTF8') AS value) AS t,
       LATERAL pg_input_error_info(t.value, 'jsonb') AS f
 WHERE f.message IS NOT NULL

-- open_letters --
-- The letters that still wait, among the last records of some partitions.
-- $1 topic, $2 partitions, $3 from these offsets on, $4 up to, not including, these
SELECT d.partition, d.reason
  FROM unnest($2::integer[], $3::bigint[], $4::bigint[]) AS b (partition, begins, ends)
  JOIN dead_letters AS d
    ON d.topic = $1 AND d.partition = b.partition AND d.record_offset >= b.begins AND d.record_offset < b.ends
 WHERE d.state = 'open'

-- begin_partitions --
-- Where partitions that were never seen begin: stored at once, so that it doesn't move with the log.
-- $1 topic, $2 partitions, $3 offsets
INSERT INTO consumer_offsets (topic, partition, first_offset, next_offset)
SELECT $1, b.partition, b.begins, b.begins
  FROM unnest($2::integer[], $3::bigint[]) AS b (partition, begins)
 ORDER BY b.partition
    ON CONFLICT ON CONSTRAINT consumer_offsets_pkey DO NOTHING

-- offsets --
-- Where a topic's partitions stand.
-- $1 topic
SELECT partition, first_offset, next_offset, last_offset, last_timestamp, repeats, updated_at
  FROM consumer_offsets
 WHERE topic = $1
 ORDER BY partition

-- restore_fingerprint --
-- Puts back the last record that is known to be of the log that was consumed: the one in its place now is another.
-- $1 topic, $2 partition, $3 $4 that record's offset and timestamp
UPDATE consumer_offsets
   SET last_offset = $3, last_timestamp = $4, updated_at = now()
 WHERE topic = $1
   AND partition = $2

-- accept_loss --
-- Goes on from where the log begins, if the partition still stands where the operator saw it, and writes down who
-- accepted what. The row starts anew: what was counted before stays in accepted_losses.
-- $1 topic, $2 partition, $3 next_offset as seen, $4 where the log begins, $5 reason, $6 who
WITH stored AS (
    SELECT * FROM consumer_offsets WHERE topic = $1 AND partition = $2 AND next_offset = $3 FOR NO KEY UPDATE
), written AS (
    INSERT INTO accepted_losses (topic, partition, first_offset, next_offset, last_offset, last_timestamp, repeats,
                                 resumed_at, reason, accepted_by)
    SELECT topic, partition, first_offset, next_offset, last_offset, last_timestamp, repeats, $4, $5, $6 FROM stored
)
UPDATE consumer_offsets AS o
   SET first_offset = $4, next_offset = $4, last_offset = NULL, last_timestamp = NULL, repeats = 0, updated_at = now()
  FROM stored
 WHERE o.topic = stored.topic
   AND o.partition = stored.partition
RETURNING o.partition

-- other_topics --
-- Topics that this database holds beside ours.
-- $1 our topic
SELECT DISTINCT topic
  FROM consumer_offsets
 WHERE topic <> $1

-- server_facts --
-- What must be right before anything is written.
SELECT current_setting('server_version_num')::integer AS version_num,
       current_setting('server_version') AS version,
       current_setting('server_encoding') AS encoding,
       to_regclass('_pogo_migration') IS NOT NULL AS migrated

-- applied_migrations --
-- The migrations that ran here.
SELECT migration_id
  FROM _pogo_migration

-- backend_pid --
-- The process that serves this connection. The driver's own figure would be a pooler's, where there is one.
SELECT pg_backend_pid() AS pid

-- active_backend --
-- That process, if it executes a statement now or did within the last seconds. Otherwise its client waits for an answer
-- that was lost.
-- $1 pid, $2 seconds
SELECT pid
  FROM pg_stat_activity
 WHERE pid = $1
   AND (state = 'active' OR state_change > clock_timestamp() - make_interval(secs => $2::double precision))

-- lock_migrations --
-- One migrate at a time in a database; given back when the connection ends.
SELECT pg_advisory_lock(hashtext('agent_runs migrate'))

-- unlock_migrations --
-- The same lock, given back.
SELECT pg_advisory_unlock(hashtext('agent_runs migrate'))

-- runs_page --
-- Runs in the order of their ids, to be compared with the fold of their events. For a run without events also the
-- earliest run_started that names it, from which it dates.
-- $1 after this id, $2 how many
SELECT r.id, r.parent_run_id, r.agent_id, r.session_id, r.status, r.created_at, r.updated_at, r.event_count,
       r.status_changed_at, r.dropped_events, r.started_at,
       CASE WHEN r.event_count = 0
            THEN (SELECT min(c.started_at) FROM agent_runs AS c WHERE c.parent_run_id = r.id)
       END AS named_at
  FROM agent_runs AS r
 WHERE r.id > $1
 ORDER BY r.id
 LIMIT $2

-- events_page --
-- Events of some runs, run by run in their order.
-- $1 run ids, $2 $3 after this run id and event_seq, $4 how many
SELECT run_id, event_seq, id, event_data, created_at, source_partition, source_offset
  FROM run_events
 WHERE run_id = ANY ($1::text[])
   AND (run_id, event_seq) > ($2, $3)
 ORDER BY run_id, event_seq
 LIMIT $4

-- events_by_id --
-- What is stored under some ids, and whether it is what these messages say.
-- $1 run ids, $2 event ids, $3 values (as JSONB takes them), $4 raws; gives positions in them, from 1
SELECT b.position, e.source_partition, e.source_offset, e.event_seq, e.created_at,
       CASE WHEN e.raw IS NOT NULL OR b.raw IS NOT NULL THEN e.raw IS NOT DISTINCT FROM b.raw
            WHEN pg_input_is_valid(convert_from(b.value, 'UTF8'), 'jsonb')
            THEN e.event_data = convert_from(b.value, 'UTF8')::jsonb
            ELSE false
       END AS same
  FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bytea[])
       WITH ORDINALITY AS b (run_id, id, value, raw, position)
  JOIN run_events AS e ON e.run_id = b.run_id AND e.id = b.id

-- letters_by_offset --
-- The dead letters of some records.
-- $1 topic, $2 partition, $3 offsets
SELECT record_offset, record_timestamp, key, value, state
  FROM dead_letters
 WHERE topic = $1
   AND partition = $2
   AND record_offset = ANY ($3::bigint[])

-- count_events --
-- How many events claim to come from a stretch of a partition's log.
-- $1 partition, $2 from this offset, $3 up to, not including, this one, $4 not before this time
SELECT count(*) AS events
  FROM run_events
 WHERE source_partition = $1
   AND source_offset >= $2
   AND source_offset < $3
   AND created_at >= $4
