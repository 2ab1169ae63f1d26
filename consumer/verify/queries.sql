-- The queries of `verify`.

-- runs_page --
-- Runs in the order of their ids. named_at: for a run without events, the time of the earliest run_started
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
-- The stored events of the given runs and event ids, and whether each has the content of the given message.
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

-- dead_letters_by_offset --
-- The dead letters of the records at some offsets of a partition.
-- $1 topic, $2 partition, $3 offsets
SELECT record_offset, record_timestamp, key, value, state, reason, offset_count
  FROM dead_letters
 WHERE topic = $1
   AND partition = $2
   AND record_offset = ANY ($3::bigint[])

-- skipped_batches --
-- The dead letters of a partition that stand for several records: of batches that could not be split into records.
-- $1 topic, $2 partition
SELECT record_offset, record_timestamp, key, value, state, reason, offset_count
  FROM dead_letters
 WHERE topic = $1
   AND partition = $2
   AND offset_count > 1

-- count_events --
-- The number of stored events whose records are in a range of a partition's log. An earlier log of the same topic may have
-- the same offsets; its records are older.
-- $1 partition, $2 start offset, $3 end offset (exclusive), $4 the earliest timestamp in the range
SELECT count(*) AS events
  FROM run_events
 WHERE source_partition = $1
   AND source_offset >= $2
   AND source_offset < $3
   AND created_at >= $4
