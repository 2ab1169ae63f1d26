-- index --
-- For the events of a range of offsets. In test databases only. Not in one transaction with the audit: that would lock
-- both tables, and could deadlock with a batch that locks them in the other order.
CREATE INDEX IF NOT EXISTS checker_source_idx ON run_events (source_partition, source_offset)

-- audit --
-- Records every move of a stored offset, with its transaction. In test databases only.
CREATE SCHEMA IF NOT EXISTS checker;

CREATE TABLE IF NOT EXISTS checker.moves (
    number      bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    written_by  xid8    NOT NULL DEFAULT pg_current_xact_id(),
    partition   integer NOT NULL,
    from_offset bigint,
    to_offset   bigint  NOT NULL
);

-- The trigger runs while the row is locked, so the numbers of a partition are in the order of the commits.
CREATE OR REPLACE FUNCTION checker.note_move() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO checker.moves (partition, from_offset, to_offset)
    VALUES (NEW.partition, CASE WHEN TG_OP = 'UPDATE' THEN OLD.next_offset END, NEW.next_offset);
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER checker_note_move AFTER INSERT OR UPDATE OF next_offset ON consumer_offsets
    FOR EACH ROW EXECUTE FUNCTION checker.note_move()

-- now --
-- The current snapshot. A row is new if the transaction in its xmin was not visible in the previous snapshot. Casting the
-- 32-bit xmin to xid8 is right for the first 4 billion transactions, which no test database exceeds.
SELECT pg_current_snapshot()::text

-- runs --
-- Runs that were written since the previous snapshot.
-- $1 the previous snapshot
SELECT id, parent_run_id, agent_id, session_id, status, event_count, dropped_events, completed_by_tool,
       open_questions::text AS open_questions, answered_questions::text AS answered_questions, labels::text AS labels,
       extract(epoch FROM created_at) * 1000 AS created_at,
       extract(epoch FROM updated_at) * 1000 AS updated_at,
       extract(epoch FROM status_changed_at) * 1000 AS status_changed_at
  FROM agent_runs
 WHERE NOT pg_visible_in_snapshot(xmin::text::xid8, $1::text::pg_snapshot)

-- dead_letters --
-- Dead letters that were written, retried or discarded since the previous snapshot.
-- $1 the previous snapshot
SELECT topic, partition, record_offset, key, value, headers::text AS headers, reason, state, retries, offset_count,
       extract(epoch FROM record_timestamp) * 1000 AS record_timestamp, xmin::text::bigint AS written_by
  FROM dead_letters
 WHERE NOT pg_visible_in_snapshot(xmin::text::xid8, $1::text::pg_snapshot)

-- moves --
-- Offsets that were moved since the previous snapshot.
-- $1 the previous snapshot
SELECT number, written_by::text::bigint AS written_by, partition, from_offset, to_offset
  FROM checker.moves
 WHERE NOT pg_visible_in_snapshot(written_by, $1::text::pg_snapshot)

-- losses --
-- Losses that operators have accepted since the previous snapshot.
-- $1 the previous snapshot
SELECT partition, next_offset, resumed_at
  FROM accepted_losses
 WHERE NOT pg_visible_in_snapshot(xmin::text::xid8, $1::text::pg_snapshot)

-- events --
-- All events from an offset on, by partition.
-- $1 partitions, $2 offsets
SELECT e.id, e.run_id, e.parent_event_id, e.event_seq, e.event_type, e.event_data::text AS event_data,
       e.source_partition, e.source_offset, e.raw, extract(epoch FROM e.created_at) * 1000 AS created_at,
       e.xmin::text::bigint AS written_by
  FROM unnest($1::integer[], $2::bigint[]) AS b (partition, start_offset)
  JOIN run_events AS e ON e.source_partition = b.partition AND e.source_offset >= b.start_offset

-- events_at --
-- The events at some offsets.
-- $1 partitions, $2 offsets
SELECT e.id, e.run_id, e.parent_event_id, e.event_seq, e.event_type, e.event_data::text AS event_data,
       e.source_partition, e.source_offset, e.raw, extract(epoch FROM e.created_at) * 1000 AS created_at,
       e.xmin::text::bigint AS written_by
  FROM unnest($1::integer[], $2::bigint[]) AS b (partition, record_offset)
  JOIN run_events AS e ON e.source_partition = b.partition AND e.source_offset = b.record_offset
