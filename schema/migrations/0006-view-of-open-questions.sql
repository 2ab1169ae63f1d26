-- The view of open questions
-- depends: 0004-open-questions-and-labels 0005-lists-and-views

-- migrate: apply

-- Questions that nobody has answered: the requests of waiting tools.
CREATE VIEW open_questions AS
SELECT r.id AS run_id, r.agent_id, r.session_id, r.status_changed_at AS waiting_since, q.id AS question_id, q.tool_name,
       e.event_data -> 'tool_args' AS question, e.created_at AS asked_at, e.event_seq
  FROM agent_runs AS r
       CROSS JOIN LATERAL jsonb_to_recordset(r.open_questions) AS q (id text, tool_name text)
       LEFT JOIN run_events AS e ON e.run_id = r.id AND e.id = q.id
 WHERE r.open_questions <> '[]';

COMMENT ON VIEW open_questions IS 'Questions that nobody has answered: the requests of waiting tools.';
COMMENT ON COLUMN open_questions.run_id IS 'the run that waits';
COMMENT ON COLUMN open_questions.agent_id IS 'its agent';
COMMENT ON COLUMN open_questions.session_id IS 'its session';
COMMENT ON COLUMN open_questions.waiting_since IS 'record timestamp of the event that last changed the status of the run';
COMMENT ON COLUMN open_questions.question_id IS 'the id of the request; an answer names it as its parent_event_id';
COMMENT ON COLUMN open_questions.tool_name IS 'the tool';
COMMENT ON COLUMN open_questions.question IS 'the arguments of the request';
COMMENT ON COLUMN open_questions.asked_at IS 'record timestamp of the request';
COMMENT ON COLUMN open_questions.event_seq IS 'the number of the request in the run';

-- migrate: rollback

DROP VIEW open_questions;
