-- counts --
-- One statement, so one snapshot: the counts agree with each other. `stored` is the number of rows of run_events, to be
-- compared with `event_count`. Counting everything is fast for hundreds of runs, not for millions.
SELECT count(*) FILTER (WHERE status = 'running')                           AS running,
       count(*) FILTER (WHERE status = 'waiting')                           AS waiting,
       count(*) FILTER (WHERE status = 'completed')                         AS completed,
       count(*) FILTER (WHERE status = 'failed')                            AS failed,
       coalesce(sum(event_count), 0)::bigint                                AS event_count,
       (SELECT count(*) FROM run_events)                                    AS stored,
       (SELECT count(*) FROM dead_letters)                                  AS dead_letters,
       (SELECT coalesce(sum(repeats), 0)::bigint FROM consumer_offsets)     AS repeats
  FROM agent_runs

-- runs_out_of_order --
-- Runs whose events are not numbered 0, 1, 2 … in the order in which the agent emitted them. Each event of the demo
-- names the event before it as its parent, so a lost, doubled or misplaced event breaks the chain.
SELECT DISTINCT run_id
  FROM (SELECT run_id,
               event_seq,
               parent_event_id,
               lag(id) OVER in_order        AS previous_id,
               row_number() OVER in_order   AS position
          FROM run_events
        WINDOW in_order AS (PARTITION BY run_id ORDER BY event_seq)) AS numbered
 WHERE event_seq <> position - 1
    OR parent_event_id IS DISTINCT FROM previous_id
 ORDER BY run_id

-- dead_letters --
-- All dead letters, in the order of their records' timestamps.
SELECT partition,
       record_offset,
       reason,
       detail
  FROM dead_letters
 ORDER BY record_timestamp, partition, record_offset

-- run_through --
-- A completed run that began before a moment and ended after it, preferably one with child runs. $1 the moment
SELECT run.id,
       run.agent_id,
       run.event_count,
       (SELECT count(*) FROM agent_runs AS child WHERE child.parent_run_id = run.id) AS children
  FROM agent_runs AS run
 WHERE run.status = 'completed'
   AND run.created_at < $1
   AND run.updated_at > $1
 ORDER BY children DESC, run.event_count DESC, run.id
 LIMIT 1

-- events_of_run --
-- The events of a run, in order. $1 run id
SELECT event_seq,
       event_data,
       created_at
  FROM run_events
 WHERE run_id = $1
 ORDER BY event_seq
