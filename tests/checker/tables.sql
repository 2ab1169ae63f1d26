-- runs --
-- Every run, including parents that are only named.
SELECT id, parent_run_id, agent_id, session_id, status, event_count, dropped_events, completed_by_tool,
       open_questions::text AS open_questions, answered_questions::text AS answered_questions, labels::text AS labels,
       extract(epoch FROM created_at) * 1000 AS created_at,
       extract(epoch FROM updated_at) * 1000 AS updated_at,
       extract(epoch FROM status_changed_at) * 1000 AS status_changed_at
  FROM agent_runs

-- events --
-- Every event. The payload as text, so that no driver converts its numbers.
SELECT id, run_id, parent_event_id, event_seq, event_type, event_data::text AS event_data, source_partition,
       source_offset, raw, extract(epoch FROM created_at) * 1000 AS created_at
  FROM run_events

-- offsets --
-- How far each partition has been consumed.
SELECT topic, partition, first_offset, next_offset, last_offset, repeats,
       extract(epoch FROM last_timestamp) * 1000 AS last_timestamp
  FROM consumer_offsets

-- dead_letters --
-- Every dead letter.
SELECT topic, partition, record_offset, key, value, headers::text AS headers, reason, state, retries, offset_count,
       extract(epoch FROM record_timestamp) * 1000 AS record_timestamp
  FROM dead_letters
