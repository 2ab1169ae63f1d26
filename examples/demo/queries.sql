-- create_database --
-- The demo's own. A name cannot be a parameter, and need not be one in a server that nobody else uses.
CREATE DATABASE agent_runs_demo

-- runs_by_status --
-- Counting every run is fine for hundreds of them, not for a dashboard over millions.
SELECT status,
       count(*)         AS runs,
       sum(event_count) AS events
  FROM agent_runs
 GROUP BY status

-- stored_events --
-- Counted from the rows themselves, so that agent_runs.event_count has something to be compared with.
SELECT count(*)
  FROM run_events

-- dead_letters_count --
SELECT count(*)
  FROM dead_letters

-- offsets --
-- How far the consumers are, a row for each partition that one has begun. $1 topic
SELECT next_offset,
       repeats
  FROM consumer_offsets
 WHERE topic = $1

-- dead_letters --
-- In the order of arrival.
SELECT partition,
       record_offset,
       key,
       value,
       reason,
       detail
  FROM dead_letters
 ORDER BY record_timestamp, partition, record_offset

-- run_through --
-- A finished run that began before a moment and ended after it, if possible one with children. $1 the moment
SELECT run.id,
       run.agent_id,
       run.status,
       run.event_count,
       (SELECT count(*) FROM agent_runs AS child WHERE child.parent_run_id = run.id) AS children
  FROM agent_runs AS run
 WHERE run.status = 'completed'
   AND run.created_at < $1
   AND run.updated_at > $1
 ORDER BY children DESC, run.event_count DESC, run.id
 LIMIT 1

-- events_of_run --
-- A run as it happened. $1 run id
SELECT event_seq,
       event_data,
       created_at
  FROM run_events
 WHERE run_id = $1
 ORDER BY event_seq

-- numbering --
-- What each run's events are numbered, and which event got which number.
SELECT run_id,
       array_agg(event_seq ORDER BY event_seq) AS numbers,
       array_agg(id ORDER BY event_seq)        AS event_ids
  FROM run_events
 GROUP BY run_id
