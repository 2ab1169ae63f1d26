-- The queries of the `dead-letters` commands.

-- find_letters --
-- Dead letters without values and headers, oldest first. A condition that is NULL is not applied.
-- $1 topic, $2 after this id, $3 limit, $4 ids, $5 reasons, $6 states, $7 partition, $8 key,
-- $9 $10 refused at this time or later, and before this time, $11 not changed at this time or later
SELECT id, partition, record_offset, record_timestamp, key, octet_length(value) AS value_bytes, reason, detail, state,
       retries, created_at, updated_at
  FROM dead_letters
 WHERE topic = $1
   AND id > $2
   AND ($4::bigint[] IS NULL OR id = ANY ($4))
   AND ($5::text[] IS NULL OR reason = ANY ($5))
   AND ($6::text[] IS NULL OR state = ANY ($6))
   AND ($7::integer IS NULL OR partition = $7)
   AND ($8::bytea IS NULL OR key = $8)
   AND ($9::timestamptz IS NULL OR created_at >= $9)
   AND ($10::timestamptz IS NULL OR created_at < $10)
   AND ($11::timestamptz IS NULL OR updated_at < $11)
 ORDER BY id
 LIMIT $3

-- letter --
-- One whole dead letter.
-- $1 topic, $2 id
SELECT id, partition, record_offset, record_timestamp, key, value, headers, reason, detail, state, retries, created_at,
       updated_at
  FROM dead_letters
 WHERE topic = $1
   AND id = $2

-- letter_history --
-- The history of a dead letter, oldest entry first.
-- $1 id
SELECT at, action, reason, detail, actor
  FROM dead_letter_history
 WHERE letter_id = $1
 ORDER BY at, id

-- stored_event --
-- The stored event of a run with an id.
-- $1 run id, $2 event id
SELECT event_seq, source_partition, source_offset
  FROM run_events
 WHERE run_id = $1
   AND id = $2

-- server_now --
-- PostgreSQL's time, which also sets created_at and updated_at of dead letters.
SELECT now() AS now

-- lock_open_letter --
-- Locks a dead letter if it is open and was not changed since a pass began. A pass then retries it at most once, even if
-- two operators retry at the same time, or if the answer to a COMMIT was lost.
-- $1 id, $2 not changed at this time or later
SELECT retries
  FROM dead_letters
 WHERE id = $1
   AND state = 'open'
   AND updated_at < $2
   FOR NO KEY UPDATE

-- close_letter --
-- Sets an open dead letter to another state, and adds an entry to its history. Returns no row if it is not open.
-- $1 id, $2 resolved or discarded, $3 detail, $4 who
WITH letter AS (
    UPDATE dead_letters SET state = $2, updated_at = now() WHERE id = $1 AND state = 'open' RETURNING id
)
INSERT INTO dead_letter_history (letter_id, action, detail, actor)
SELECT id, $2, $3, $4 FROM letter
RETURNING letter_id

-- refuse_letter_again --
-- Updates a dead letter whose record a retry refused again: sets the new reason and detail, and adds an entry to its
-- history. The first refusal is in the row only; the first such retry adds an entry for it too. The row is locked.
-- $1 id, $2 reason, $3 detail
WITH before AS (
    SELECT id, created_at, reason, detail, retries FROM dead_letters WHERE id = $1
), first AS (
    INSERT INTO dead_letter_history (letter_id, at, action, reason, detail)
    SELECT id, created_at, 'refused', reason, detail FROM before WHERE retries = 0
), again AS (
    UPDATE dead_letters AS d
       SET reason = $2, detail = $3, retries = d.retries + 1, updated_at = now()
      FROM before
     WHERE d.id = before.id
)
INSERT INTO dead_letter_history (letter_id, action, reason, detail)
SELECT id, 'retried', $2, $3 FROM before
RETURNING letter_id
