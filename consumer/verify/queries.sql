-- The queries of `verify` and `rebuild`.

-- count_runs --
-- The number of runs with ids after a given one, and of their events.
-- $1 after this id
SELECT count(*) AS runs, coalesce(sum(r.event_count), 0)::bigint AS events
  FROM agent_runs AS r
 WHERE r.id > $1

-- run_ids --
-- Ids of runs: the first ones after a given id, in the order in which the runs began. Events are stored in the order of
-- time, so this order reads each part of run_events about once; ids are random.
-- $1 after this id, $2 limit, $3 $4 share of the runs in millionths, and a number that selects other runs for the same share
SELECT id, event_count
  FROM (
       SELECT id, event_count, created_at
         FROM agent_runs
        WHERE id > $1
          AND ($3 >= 1000000 OR abs(hashtextextended(id, $4) % 1000000) < $3)
        ORDER BY id
        LIMIT $2
       ) AS chunk
 ORDER BY created_at

-- given_run_ids --
-- Those of the given runs that exist.
-- $1 ids
SELECT id, event_count
  FROM agent_runs
 WHERE id = ANY ($1::text[])

-- given_without_row --
-- Those of the given runs that have no row, and whether they have events.
-- $1 ids
SELECT given.id, EXISTS (SELECT FROM run_events WHERE run_id = given.id) AS has_events
  FROM unnest($1::text[]) WITH ORDINALITY AS given (id, position)
 WHERE NOT EXISTS (SELECT FROM agent_runs AS r WHERE r.id = given.id)
 ORDER BY given.position

-- runs_to_compare --
-- The columns of some runs. last_seq: the sequence number of the last stored event, in the same snapshot. named_at: for a run
-- without events, the time of the earliest run_started that names it.
-- $1 ids
SELECT r.id, r.parent_run_id, r.agent_id, r.session_id, r.status, r.created_at, r.updated_at, r.event_count,
       r.status_changed_at, r.dropped_events, r.started_at, r.open_questions, r.answered_questions, r.completed_by_tool,
       r.labels,
       (SELECT max(e.event_seq) FROM run_events AS e WHERE e.run_id = r.id) AS last_seq,
       CASE WHEN r.event_count = 0
            THEN (SELECT min(c.started_at) FROM agent_runs AS c WHERE c.parent_run_id = r.id)
       END AS named_at
  FROM agent_runs AS r
 WHERE r.id = ANY ($1::text[])

-- events_to_fold --
-- Events of some runs without their payloads, in the order of run and event_seq. is_consistent: the columns id, event_type
-- and parent_event_id have the values of the message, the message has the fields that its type requires, and a record can
-- have the time. `infinity` is not a number of milliseconds. The LATERAL subquery decompresses a message once, and not for
-- each operator. Names are cut at 256 characters: longer ones have no meaning, but may be large.
-- $1 run ids, $2 $3 from this event_seq up to that one (exclusive), $4 $5 types and their required fields, separated by commas
WITH required AS MATERIALIZED (
    SELECT r.type, string_to_array(r.fields, ',') AS fields
      FROM unnest($4::text[], $5::text[]) AS r (type, fields)
)
SELECT e.run_id, e.event_seq, e.id, e.parent_event_id, e.event_type,
       CASE WHEN isfinite(e.created_at) THEN (date_part('epoch', e.created_at) * 1000)::bigint ELSE 0 END AS at,
       e.source_partition, e.source_offset,
       coalesce(
           m.message ->> 'id' = e.id
           AND m.message ->> 'type' = e.event_type
           AND m.message ->> 'parent_event_id' IS NOT DISTINCT FROM e.parent_event_id
           AND m.message ?& coalesce(required.fields, '{id,type,timestamp}')
           AND e.created_at BETWEEN '0001-01-01Z' AND '9999-12-31 23:59:59.999Z',
           false
       ) AS is_consistent,
       e.raw IS NOT NULL AS has_raw,
       CASE WHEN e.event_type LIKE 'tool%' THEN left(m.message ->> 'tool_name', 256) END AS tool_name,
       CASE WHEN e.event_type LIKE 'tool%' THEN left(m.message ->> 'role', 256) END AS role,
       CASE WHEN e.event_type = 'input' THEN left(m.message ->> 'tool', 256) END AS tool,
       CASE e.event_type
            WHEN 'run_started'
            THEN jsonb_build_object('agent_id', m.message -> 'agent_id', 'session_id', m.message -> 'session_id',
                                    'parent_run_id', m.message -> 'parent_run_id', 'labels', m.message -> 'labels')
            WHEN 'events_dropped' THEN jsonb_build_object('count', m.message -> 'count')
       END AS facts
  FROM run_events AS e
 CROSS JOIN LATERAL (SELECT e.event_data || '{}' AS message OFFSET 0) AS m
  LEFT JOIN required ON required.type = e.event_type
 WHERE e.run_id = ANY ($1::text[])
   AND e.event_seq >= $2
   AND e.event_seq < $3
 ORDER BY e.run_id, e.event_seq

-- messages --
-- The messages of some events, with the columns that are copied from them, and whether a record can have the time.
-- $1 run ids, $2 event_seqs
SELECT e.run_id, e.event_seq, e.id, e.parent_event_id, e.event_type, e.event_data, e.raw,
       e.created_at BETWEEN '0001-01-01Z' AND '9999-12-31 23:59:59.999Z' AS has_possible_time
  FROM unnest($1::text[], $2::integer[]) AS b (run_id, event_seq)
  JOIN run_events AS e ON e.run_id = b.run_id AND e.event_seq = b.event_seq

-- existing_runs --
-- Those of the given runs that exist.
-- $1 ids
SELECT id
  FROM agent_runs
 WHERE id = ANY ($1::text[])

-- events_without_run --
-- Runs that have events and no row, between two ids. The foreign key prevents them while its triggers are enabled. Of
-- several such runs without another run between them, the first.
-- $1 after this id, $2 up to this id
SELECT next.run_id
  FROM (SELECT $1::text AS id UNION ALL SELECT id FROM agent_runs WHERE id > $1 AND id <= $2) AS r
 CROSS JOIN LATERAL (SELECT run_id FROM run_events WHERE run_id > r.id ORDER BY run_id LIMIT 1) AS next
 WHERE NOT EXISTS (SELECT FROM agent_runs AS a WHERE a.id = next.run_id)

-- passed_records --
-- The number of records that consumers have passed, and whether they have just passed some. updated_at is when a transaction
-- began.
SELECT coalesce(sum(next_offset), 0)::bigint AS passed,
       coalesce(max(updated_at) > clock_timestamp() - interval '3 seconds', false) AS has_moved
  FROM consumer_offsets

-- ends_of_partitions --
-- The offsets below which the records of each partition are stored: the greatest one, if the partition had several logs.
SELECT o.partition,
       greatest(max(o.next_offset), (SELECT max(l.next_offset) FROM accepted_losses AS l WHERE l.partition = o.partition))
           AS end_offset
  FROM consumer_offsets AS o
 GROUP BY o.partition

-- offsets_to_compare --
-- The stored offsets; where the last accepted loss resumed; and the timestamp of the dead letter of the last record passed,
-- if that record is one.
SELECT o.partition, o.first_offset, o.next_offset, o.last_offset, o.last_timestamp, o.repeats,
       (SELECT l.resumed_at
          FROM accepted_losses AS l
         WHERE l.topic = o.topic AND l.partition = o.partition
         ORDER BY l.id DESC
         LIMIT 1) AS resumed_at,
       (SELECT max(d.record_timestamp)
          FROM dead_letters AS d
         WHERE d.topic = o.topic AND d.partition = o.partition AND d.record_offset = o.last_offset AND d.offset_count = 1)
           AS letter_at
  FROM consumer_offsets AS o
 ORDER BY o.topic, o.partition

-- letters_to_compare --
-- Dead letters without their bytes, each with a summary of its history.
-- $1 after this id, $2 limit
SELECT d.id, d.reason, d.detail, d.state, d.retries, d.created_at, d.updated_at, d.omitted_headers,
       jsonb_typeof(d.headers) = 'array'
       AND NOT d.headers @? 'strict $[*] ? (@.type() != "array" || @.size() != 2 || @[0].type() != "string")'
           AS headers_valid,
       CASE WHEN jsonb_typeof(d.headers) = 'array' THEN jsonb_array_length(d.headers) END AS header_count,
       d.record_offset + d.offset_count > coalesce(
           greatest(o.next_offset, (SELECT max(next_offset) FROM accepted_losses AS l WHERE l.partition = d.partition)), 0
       ) AS beyond_offset,
       h.*
  FROM dead_letters AS d
 CROSS JOIN LATERAL (
       SELECT count(*) FILTER (WHERE action = 'refused') AS first_refusals,
              count(*) FILTER (WHERE action = 'retried') AS retried,
              count(*) FILTER (WHERE action = 'skipped') AS skipped,
              count(*) FILTER (WHERE action = 'resolved') AS times_resolved,
              count(*) FILTER (WHERE action = 'discarded') AS times_discarded,
              max(at) FILTER (WHERE action <> 'refused') AS last_action_at,
              (array_agg(reason ORDER BY id DESC) FILTER (WHERE action = 'retried'))[1] AS last_reason,
              (array_agg(detail ORDER BY id DESC) FILTER (WHERE action = 'retried'))[1] AS last_detail
         FROM dead_letter_history
        WHERE letter_id = d.id
       ) AS h
  LEFT JOIN consumer_offsets AS o ON o.topic = d.topic AND o.partition = d.partition
 WHERE d.id > $1
 ORDER BY d.id
 LIMIT $2

-- letter_records --
-- The keys and values of some dead letters.
-- $1 ids
SELECT id, key, value
  FROM dead_letters
 WHERE id = ANY ($1::bigint[])
 ORDER BY id

-- existing_events --
-- Those of some events that exist.
-- $1 run ids, $2 event ids
SELECT e.run_id, e.id
  FROM unnest($1::text[], $2::text[]) AS b (run_id, id)
  JOIN run_events AS e ON e.run_id = b.run_id AND e.id = b.id

-- expected_late_events --
-- Those of some events whose places in their runs need not follow their offsets: a retry of a dead letter stored them, or
-- their partition continued with another log after an accepted loss.
-- $1 partitions, $2 offsets. Returns positions in the arrays, from 1
SELECT b.position
  FROM unnest($1::integer[], $2::bigint[]) WITH ORDINALITY AS b (partition, record_offset, position)
 WHERE EXISTS (
           SELECT FROM dead_letters AS d
            WHERE d.partition = b.partition
              AND d.record_offset = b.record_offset
              AND d.state = 'resolved'
       )
    OR EXISTS (SELECT FROM accepted_losses AS l WHERE l.partition = b.partition)

-- lock_runs_to_rebuild --
-- Locks runs in the order of their ids, as ingest does.
-- $1 ids
SELECT id
  FROM agent_runs
 WHERE id = ANY ($1::text[])
 ORDER BY id
   FOR NO KEY UPDATE

-- rebuild_runs --
-- Sets all columns of runs that their events determine. The rows are locked.
-- $1 ids, $2 to $15 the columns, in the order of RunFold.columns
UPDATE agent_runs AS r
   SET event_count = b.event_count,
       status = b.status,
       created_at = b.created_at,
       updated_at = b.updated_at,
       status_changed_at = b.status_changed_at,
       dropped_events = b.dropped_events,
       started_at = b.started_at,
       agent_id = b.agent_id,
       session_id = b.session_id,
       parent_run_id = b.parent_run_id,
       completed_by_tool = b.completed_by_tool,
       open_questions = b.open_questions,
       answered_questions = b.answered_questions,
       labels = b.labels
  FROM unnest(
        $1::text[], $2::integer[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[], $7::bigint[],
        $8::timestamptz[], $9::text[], $10::text[], $11::text[], $12::boolean[], $13::jsonb[], $14::jsonb[], $15::jsonb[]
       ) AS b (id, event_count, status, created_at, updated_at, status_changed_at, dropped_events, started_at, agent_id,
               session_id, parent_run_id, completed_by_tool, open_questions, answered_questions, labels)
 WHERE r.id = b.id

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

-- records_of_several_events --
-- Offsets in a range of a partition's log that several stored events have, with the run and event_seq of each of these.
-- $1 $2 $3 $4 as for count_events, $5 limit
SELECT source_offset, string_agg(format('event_seq %s of run %L', event_seq, run_id), ', ' ORDER BY run_id, event_seq) AS events
  FROM run_events
 WHERE source_partition = $1
   AND source_offset >= $2
   AND source_offset < $3
   AND created_at >= $4
 GROUP BY source_offset
HAVING count(*) > 1
 ORDER BY source_offset
 LIMIT $5
