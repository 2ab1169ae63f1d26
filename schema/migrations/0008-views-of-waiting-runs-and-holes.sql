-- The views of waiting runs and of holes
-- depends: 0007-list-of-top-level-runs

-- migrate: apply

-- Waiting runs, with what they wait for. The reason is that of the last run_waiting; a run with open questions waits for
-- their answers. The reason and the children are read of the rows that a query returns only.
CREATE VIEW waiting_runs AS
SELECT r.id AS run_id, r.agent_id, r.session_id, r.parent_run_id, r.created_at, r.status_changed_at AS waiting_since,
       CASE WHEN r.open_questions @? '$[*] ? (@.tool_name != "spawn_agent")' THEN 'answer'
            WHEN r.open_questions <> '[]' THEN 'child'
            ELSE 'other'
       END AS waits_for,
       CASE WHEN r.open_questions = '[]'
            THEN (SELECT e.event_data ->> 'reason'
                    FROM run_events AS e
                   WHERE e.run_id = r.id
                     AND e.event_type = 'run_waiting'
                   ORDER BY e.event_seq DESC
                   LIMIT 1)
       END AS reason,
       (SELECT count(*)
          FROM agent_runs AS c
         WHERE c.parent_run_id = r.id
           AND c.status IN ('running', 'waiting')) AS unfinished_children
  FROM agent_runs AS r
 WHERE r.status = 'waiting';

-- Places in runs where events are missing because their producer dropped them. `OFFSET 0` keeps PostgreSQL from reading the
-- events of all these runs for a few rows.
CREATE VIEW holes AS
SELECT r.id AS run_id, r.agent_id, r.session_id, r.created_at, e.event_seq, e.created_at AS reported_at,
       (e.event_data ->> 'count')::bigint AS dropped_events, e.event_data -> 'types' AS types,
       e.event_data ->> 'reason' AS reason
  FROM agent_runs AS r
       CROSS JOIN LATERAL (
           SELECT event_seq, created_at, event_data
             FROM run_events
            WHERE run_id = r.id
              AND event_type = 'events_dropped'
           OFFSET 0
       ) AS e
 WHERE r.dropped_events > 0;

COMMENT ON VIEW waiting_runs IS 'Waiting runs, with what they wait for.';
COMMENT ON COLUMN waiting_runs.run_id IS 'the run';
COMMENT ON COLUMN waiting_runs.agent_id IS 'its agent';
COMMENT ON COLUMN waiting_runs.session_id IS 'its session';
COMMENT ON COLUMN waiting_runs.parent_run_id IS 'the run that spawned it';
COMMENT ON COLUMN waiting_runs.created_at IS 'record timestamp of its first event; a list in this order uses an index';
COMMENT ON COLUMN waiting_runs.waiting_since IS 'record timestamp of the event that last changed the status';
COMMENT ON COLUMN waiting_runs.waits_for IS
    'answer: of a person or another tool, see open_questions; child: the end of a child run; other: see reason';
COMMENT ON COLUMN waiting_runs.reason IS 'the reason of the last run_waiting, such as a rate limit; NULL with open questions';
COMMENT ON COLUMN waiting_runs.unfinished_children IS 'its child runs that are running or waiting';
COMMENT ON VIEW holes IS 'Places in runs where events are missing because their producer dropped them.';
COMMENT ON COLUMN holes.run_id IS 'the run';
COMMENT ON COLUMN holes.agent_id IS 'its agent';
COMMENT ON COLUMN holes.session_id IS 'its session';
COMMENT ON COLUMN holes.created_at IS 'record timestamp of the first event of the run; a list in this order uses an index';
COMMENT ON COLUMN holes.event_seq IS 'the number of the events_dropped in the run: the missing events belong before it';
COMMENT ON COLUMN holes.reported_at IS 'record timestamp of the events_dropped';
COMMENT ON COLUMN holes.dropped_events IS 'how many events are missing';
COMMENT ON COLUMN holes.types IS '{"type": number, …} of them, as far as known';
COMMENT ON COLUMN holes.reason IS 'why the producer dropped them';

-- migrate: rollback

DROP VIEW holes;
DROP VIEW waiting_runs;
