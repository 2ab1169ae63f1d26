-- insert_runs --
-- Inserts the rows of agent_runs that the foreign key of run_events requires.
-- $1 ids
INSERT INTO agent_runs (id, agent_id, status, created_at, updated_at, status_changed_at)
SELECT id, 'unknown', 'running', now(), now(), now()
  FROM unnest($1::text[]) AS id

-- transactions --
-- Returns the commit time (seconds since 1970) and the number of events of each transaction that stored events.
SELECT extract(epoch FROM pg_xact_commit_timestamp(t.xmin))::double precision AS committed_at,
       t.events
  FROM (SELECT xmin, count(*) AS events FROM run_events GROUP BY xmin) AS t
 ORDER BY committed_at

-- checkpoint --
-- Runs before a measurement. Otherwise the measurement includes writes of the previous one.
CHECKPOINT

-- server --
-- Returns the version, and the settings that affect the figures.
SELECT current_setting('server_version') AS version,
       current_setting('fsync')          AS fsync,
       current_setting('shared_buffers') AS shared_buffers,
       (SELECT CASE attcompression WHEN 'l' THEN 'lz4' ELSE current_setting('default_toast_compression') END
          FROM pg_attribute
         WHERE attrelid = 'run_events'::regclass
           AND attname = 'event_data') AS toast_compression

-- table_size --
-- Returns the size in bytes, with indexes and TOAST.
SELECT pg_total_relation_size('run_events') AS bytes

-- original_insert_run --
-- $1 id, $2 agent, $3 time
INSERT INTO agent_runs (id, agent_id, status, created_at, updated_at, status_changed_at)
VALUES ($1, $2, 'running', $3, $3, $3)
    ON CONFLICT (id) DO NOTHING

-- original_next_seq --
-- Returns the number of a run's next event. Correct only while no other session writes to that run.
-- $1 run id
SELECT coalesce(max(event_seq) + 1, 0)
  FROM run_events
 WHERE run_id = $1

-- original_insert_event --
-- $1 run id, $2 number, $3 id, $4 parent event, $5 type, $6 message, $7 time, $8 partition, $9 offset
INSERT INTO run_events (run_id, event_seq, id, parent_event_id, event_type, event_data, created_at, source_partition,
                        source_offset)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)

-- original_set_status --
-- $1 run id, $2 status, $3 time
UPDATE agent_runs
   SET status = $2, updated_at = $3
 WHERE id = $1

-- delete_offsets --
-- Afterwards the consumer starts at the beginning of the topic.
DELETE FROM consumer_offsets

-- consumed_records --
-- Returns the number of records consumed so far, repeats included.
SELECT coalesce(sum(next_offset - first_offset), 0)::bigint FROM consumer_offsets

-- claimed_partitions --
-- Returns the number of partitions that a consumer has claimed.
SELECT count(*) FROM consumer_offsets

-- stored_and_repeated --
-- Returns the number of stored events and the number of repeats.
SELECT (SELECT count(*) FROM run_events), (SELECT coalesce(sum(repeats), 0)::bigint FROM consumer_offsets)

-- visible --
-- Returns the positions in the arrays, from 1, of the events that are stored.
-- $1 run ids, $2 event ids
SELECT b.position
  FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS b (run_id, id, position)
  JOIN run_events AS e ON e.run_id = b.run_id AND e.id = b.id

-- publish_to_commit --
-- The longest and the median time from an event's record timestamp to the COMMIT that stored it, in seconds.
SELECT extract(epoch FROM max(t.delay))::double precision,
       extract(epoch FROM percentile_disc(0.5) WITHIN GROUP (ORDER BY t.delay))::double precision
  FROM (SELECT pg_xact_commit_timestamp(xmin) - created_at AS delay FROM run_events) AS t

-- damage_all_runs --
-- Gives every run two columns that rebuild must repair.
UPDATE agent_runs SET status = 'failed', dropped_events = dropped_events + 1
