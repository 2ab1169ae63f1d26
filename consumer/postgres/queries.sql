-- The queries of the service, apart from those on dead letters (../dead_letters/queries.sql). Each block has a name,
-- the purpose, the parameters and the text. Times are exchanged as milliseconds since 1970 (the connection's codec for
-- timestamptz).

-- move_offsets --
-- The fence: a compare-and-set of the offsets. Moves only partitions whose offset is at the start of the batch. Fewer
-- rows than partitions: another process has moved the others. Locks in the order of the partitions, so that two owners
-- wait for each other and never deadlock.
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
RETURNING o.partition

-- count_repeats --
-- Adds to the number of repeats of partitions whose offsets this transaction has moved.
-- $1 topic, $2 partitions, $3 numbers to add
UPDATE consumer_offsets AS o
   SET repeats = o.repeats + b.repeats
  FROM unnest($2::integer[], $3::bigint[]) AS b (partition, repeats)
 WHERE o.topic = $1
   AND o.partition = b.partition

-- terminate_stalled_owner --
-- Terminates other consumers' backends that have locked these offsets for too long: a process that was stopped
-- (SIGSTOP) during a COPY keeps its locks, and no timeout of the server ends that. The xmax of a row names the
-- transaction of an uncommitted UPDATE. MATERIALIZED, because PostgreSQL evaluates cheap conditions first: in one WHERE
-- clause, pg_terminate_backend would be evaluated first, and would terminate every backend of the server.
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
-- The events whose id is already stored in their run, and whether the stored content is the same: equal bytes if a
-- message cannot be stored as JSONB, otherwise equal as JSONB. Values are passed as bytes and parsed only for these
-- events, also where the bytes decide: a value that JSONB cannot store must fail here, because it is rejected before it
-- can be a repeat.
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
-- The pairs that are equal as JSONB.
-- $1 $2 values. Returns positions in the arrays, from 1
SELECT b.position
  FROM unnest($1::jsonb[], $2::jsonb[]) WITH ORDINALITY AS b (one, other, position)
 WHERE b.one = b.other

-- started_runs --
-- The runs that have a run_started already.
-- $1 run ids
SELECT id
  FROM agent_runs
 WHERE id = ANY ($1::text[])
   AND started_at IS NOT NULL

-- insert_runs --
-- Inserts missing rows: of runs, and of parents without events. In the order of the ids, and before any row is locked,
-- so that two lanes that insert the same parent wait for each other and never deadlock.
-- $1 ids in order, $2 timestamps of the first records that name them
INSERT INTO agent_runs (id, agent_id, status, created_at, updated_at, status_changed_at)
SELECT b.id, 'unknown', 'running', b.at, b.at, b.at
  FROM unnest($1::text[], $2::timestamptz[]) AS b (id, at)
 ORDER BY b.id
    ON CONFLICT (id) DO NOTHING

-- lock_runs --
-- Locks, in the order of the ids, the runs of the batch, and the parents without events whose times the batch lowers. A
-- parent with events is not locked: otherwise lanes with a common parent would wait for each other.
-- $1 ids, $2 NULL for a run of the batch; for a parent the time to lower its times to
SELECT r.id, r.status, r.event_count, r.started_at IS NOT NULL AS started, b.lower_to
  FROM agent_runs AS r
  JOIN unnest($1::text[], $2::timestamptz[]) AS b (id, lower_to) ON b.id = r.id
 WHERE b.lower_to IS NULL OR (r.event_count = 0 AND r.created_at > b.lower_to)
 ORDER BY r.id
   FOR NO KEY UPDATE OF r

-- lower_stubs --
-- Sets the times of parents without events to those of the earliest run_started that names them. The rows are locked.
-- $1 ids, $2 times
UPDATE agent_runs AS r
   SET created_at = b.at, updated_at = b.at, status_changed_at = b.at
  FROM unnest($1::text[], $2::timestamptz[]) AS b (id, at)
 WHERE r.id = b.id

-- update_runs --
-- Updates the batch's runs from their heads; NULL leaves a column unchanged. The rows are locked.
-- $1 ids, then the columns
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
-- Inserts dead letters. Existing rows and their states stay unchanged, for a topic that is consumed again.
-- $1 topic, then the columns. Returns partition and offset of the new rows
INSERT INTO dead_letters (topic, partition, record_offset, record_timestamp, key, value, headers, reason, detail)
SELECT $1, b.*
  FROM unnest(
        $2::integer[], $3::bigint[], $4::timestamptz[], $5::bytea[], $6::bytea[], $7::jsonb[], $8::text[], $9::text[]
       ) AS b
    ON CONFLICT ON CONSTRAINT dead_letters_record_key DO NOTHING
RETURNING partition, record_offset

-- refused_values --
-- The messages that JSONB cannot store, each with PostgreSQL's error message.
-- $1 messages. Returns positions in the array, from 1
SELECT b.position, f.message
  FROM unnest($1::bytea[]) WITH ORDINALITY AS b (value, position),
       LATERAL (SELECT convert_from(b.value, 'UTF8') AS value) AS t,
       LATERAL pg_input_error_info(t.value, 'jsonb') AS f
 WHERE f.message IS NOT NULL

-- open_letters --
-- The open dead letters among the last records of some partitions.
-- $1 topic, $2 partitions, $3 start offsets, $4 end offsets (exclusive)
SELECT d.partition, d.reason
  FROM unnest($2::integer[], $3::bigint[], $4::bigint[]) AS b (partition, start_offset, end_offset)
  JOIN dead_letters AS d ON d.topic = $1
   AND d.partition = b.partition
   AND d.record_offset >= b.start_offset
   AND d.record_offset < b.end_offset
 WHERE d.state = 'open'

-- begin_partitions --
-- Inserts the offsets of new partitions before their first record is read, so that retention cannot move the start.
-- $1 topic, $2 partitions, $3 offsets
INSERT INTO consumer_offsets (topic, partition, first_offset, next_offset)
SELECT $1, b.partition, b.start_offset, b.start_offset
  FROM unnest($2::integer[], $3::bigint[]) AS b (partition, start_offset)
 ORDER BY b.partition
    ON CONFLICT ON CONSTRAINT consumer_offsets_pkey DO NOTHING

-- offsets --
-- The stored offsets of a topic.
-- $1 topic
SELECT partition, first_offset, next_offset, last_offset, last_timestamp, repeats, updated_at
  FROM consumer_offsets
 WHERE topic = $1
 ORDER BY partition

-- restore_fingerprint --
-- Restores the fingerprint of the old log after records of another log were stored: the topic was deleted and created
-- again. Every later owner of the partition then finds the difference.
-- $1 topic, $2 partition, $3 $4 offset and timestamp of the last record known to be of the old log
UPDATE consumer_offsets
   SET last_offset = $3, last_timestamp = $4, updated_at = now()
 WHERE topic = $1
   AND partition = $2

-- accept_loss --
-- Moves a partition to the start of its log, if its offset is still the one that the operator saw, and records in
-- accepted_losses the old row, the reason and who accepted it. The new row counts from zero.
-- $1 topic, $2 partition, $3 next_offset that the operator saw, $4 start of the log, $5 reason, $6 who
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
-- The topics in this database apart from one.
-- $1 topic
SELECT DISTINCT topic
  FROM consumer_offsets
 WHERE topic <> $1

-- server_facts --
-- The server's version and encoding, and whether the database was ever migrated.
SELECT current_setting('server_version_num')::integer AS version_num,
       current_setting('server_version') AS version,
       current_setting('server_encoding') AS encoding,
       to_regclass('_pogo_migration') IS NOT NULL AS migrated

-- applied_migrations --
-- The migrations applied to this database.
SELECT migration_id
  FROM _pogo_migration

-- backend_pid --
-- The process id of this connection's backend. Behind a connection pooler, the driver knows only the pooler's.
SELECT pg_backend_pid() AS pid

-- active_backend --
-- A backend, if it executes a statement or ended one within the last seconds. A client that waits for any other backend
-- waits for an answer that was lost.
-- $1 pid, $2 seconds
SELECT pid
  FROM pg_stat_activity
 WHERE pid = $1
   AND (state = 'active' OR state_change > clock_timestamp() - make_interval(secs => $2::double precision))

-- lock_migrations --
-- Takes the lock that lets one process at a time migrate a database. Released when the connection ends.
SELECT pg_advisory_lock(hashtext('agent_runs migrate'))

-- unlock_migrations --
-- Releases that lock.
SELECT pg_advisory_unlock(hashtext('agent_runs migrate'))

-- runs_page --
-- Runs in the order of their ids, for verify. named_at: for a run without events, the time of the earliest run_started
-- that names it.
-- $1 after this id, $2 limit
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
-- Events of some runs, in the order of run and event_seq.
-- $1 run ids, $2 $3 after this run id and event_seq, $4 limit
SELECT run_id, event_seq, id, event_data, created_at, source_partition, source_offset
  FROM run_events
 WHERE run_id = ANY ($1::text[])
   AND (run_id, event_seq) > ($2, $3)
 ORDER BY run_id, event_seq
 LIMIT $4

-- events_by_id --
-- The events stored under some ids, and whether their content is that of the given messages.
-- $1 run ids, $2 event ids, $3 values that JSONB can store, $4 raws. Returns positions in the arrays, from 1
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
-- The number of events stored as coming from a range of a partition's log.
-- $1 partition, $2 start offset, $3 end offset (exclusive), $4 earliest time
SELECT count(*) AS events
  FROM run_events
 WHERE source_partition = $1
   AND source_offset >= $2
   AND source_offset < $3
   AND created_at >= $4
